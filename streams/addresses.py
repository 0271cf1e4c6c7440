"""Addresses in answers as columns: which record of which row, hashed, in which network, public or not.

On the path: part of EventBatch (columns.py), computed once for all tenants of a batch. Must not know detectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.hashing import Hashes, hash_strings

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

_KINDS = pa.array(["A", "AAAA"])
# Blocks a public name should not answer with: RFC 1122, 1918, 3927, 6598; RFC 4291 section 2.5, RFC 4193; IPv4 in IPv6.
_INSIDE_4 = (
    r"(?:(?:0|10|127)\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|"
    r"100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.)"
)
_MAPPED = r"::ffff:(?:[0-9a-f]{1,2}|a[0-9a-f]{2}|7f[0-9a-f]{2}|a9fe|c0a8|ac1[0-9a-f]|64[4-7][0-9a-f]):"
_INSIDE = rf"^(?:(?:::ffff:)?{_INSIDE_4}|{_MAPPED}|::1?$|f[cd][0-9a-f]{{2}}:|fe[89ab][0-9a-f]:)"
_NETWORK = r"^([0-9a-f]*[.:][0-9a-f]*)[.:].*$"


@dataclass(frozen=True)
class Addresses:
    """A and AAAA records of some rows of a batch, flattened.

    offsets: where each row's records begin, shape (rows + 1,); codes: into `texts`; ttls: seconds.
    """

    offsets: Rows
    codes: Rows
    texts: pa.Array
    ttls: NDArray[np.int64]

    @classmethod
    def of(cls, columns: pa.RecordBatch, wanted: Mask) -> Addresses:
        """Those of the rows wanted."""
        types = columns.column("answers.type")
        parents = pc.list_parent_indices(types).to_numpy(zero_copy_only=False)
        kept = np.flatnonzero(wanted[parents] & pc.is_in(types.flatten(), _KINDS).to_numpy(zero_copy_only=False))
        data = columns.column("answers.data").flatten().take(pa.array(kept)).dictionary_encode()
        ttls = columns.column("answers.ttl").flatten().to_numpy(zero_copy_only=False)[kept]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(parents[kept], minlength=columns.num_rows))])
        codes = data.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(offsets, codes, data.dictionary, ttls.astype(np.int64))

    @cached_property
    def hashes(self) -> Hashes:
        """Hash of each distinct address."""
        return hash_strings(self.texts)

    @cached_property
    def networks(self) -> Hashes:
        """Hash of the network of each distinct address: its first 16 bits (IPv4) or 32 bits (IPv6)."""
        return hash_strings(pc.replace_substring_regex(self.texts, _NETWORK, r"\1"))

    @cached_property
    def inside(self) -> Mask:
        """Which distinct addresses are private, loopback, link-local or shared."""
        found: Mask = pc.match_substring_regex(self.texts, _INSIDE).to_numpy(zero_copy_only=False)
        return found


def within(offsets: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """(position within `rows`, entry) of each entry of these rows; a row's entries begin at its offset."""
    first, counts = offsets[rows], offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    entries = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + counts, counts)
    return np.repeat(np.arange(len(rows)), counts), entries
