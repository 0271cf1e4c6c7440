"""Names that belong to the tenant itself: special-use zones, and the suffixes its own servers resolve.

Search lists turn every name a client asks into failing names below such zones; detectors must know them from the
Internet's.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.patterns import matches
from streams.columns import TenantRows
from streams.distinct import inverse
from streams.hashing import Hashes, hash_strings

SPECIAL_USE = (".local", ".localdomain", ".lan", ".internal", ".intranet", ".private", ".corp", ".home", ".home.arpa")
"""RFC 6762, RFC 8375, ICANN's .internal, and what RFC 6762 appendix G found in use.

Not .test, .example, .invalid: names there are not resolved by habit.
"""

_TOPS = frozenset(
    {
        "com",
        "net",
        "org",
        "edu",
        "gov",
        "io",
        "info",
        "biz",
        "co",
        "app",
        "dev",
        "ai",
        "tv",
        "me",
        "de",
        "uk",
        "fr",
        "nl",
        "it",
        "es",
        "pl",
        "ru",
        "cn",
        "jp",
        "in",
        "br",
        "au",
        "eu",
        "us",
        "ca",
        "ch",
        "se",
    }
)


def zones_of(internal: tuple[str, ...]) -> tuple[str, ...]:
    """Suffixes (with leading dot) of a tenant's own zones."""
    own = tuple(pattern.lstrip("*").lower().rstrip(".") for pattern in internal if pattern.strip("*."))
    return (*(zone if zone.startswith(".") else f".{zone}" for zone in own if "*" not in zone), *SPECIAL_USE)


@lru_cache(maxsize=4096)
def zone_hashes(zones: tuple[str, ...]) -> Hashes:
    """Hash of each zone's name, without the leading dot."""
    return hash_strings(pa.array([zone[1:] for zone in zones], pa.string()))


def own_zone(rows: TenantRows, zones: tuple[str, ...]) -> NDArray[np.int64]:
    """For each row the index in `zones` (see zones_of) of the first that holds its name, -1 for none."""
    own = len(zones) - len(SPECIAL_USE)
    special = rows.batch.per_value("qname", "special zone", _special_zone)[rows.codes("qname")]
    found: NDArray[np.int64] = np.where(special >= 0, special + own, -1)
    if own:
        codes, place = inverse(rows.codes("qname"))
        names = rows.batch.values("qname").take(pa.array(codes))
        for index in range(own - 1, -1, -1):
            found[pc.ends_with(names, zones[index]).to_numpy(zero_copy_only=False)[place]] = index
    return found


def _special_zone(names: pa.Array) -> NDArray[np.int64]:
    """Index in SPECIAL_USE of the first that holds each name, -1 for none."""
    found = np.full(len(names), -1, np.int64)
    for index in range(len(SPECIAL_USE) - 1, -1, -1):
        found[pc.ends_with(names, SPECIAL_USE[index]).to_numpy(zero_copy_only=False)] = index
    return found


def is_own(domain: str, internal: tuple[str, ...]) -> bool:
    """Whether a domain lies in the tenant's own zones."""
    return f".{domain}".endswith(SPECIAL_USE) or any(matches(pattern, domain) for pattern in internal)


def is_expansion(qname: str, domain: str) -> bool:
    """Whether a name looks like a public name tried with a search domain: www.example.com.corp.example.net."""
    left = qname.removesuffix(domain).rstrip(".")
    return "." in left and left.rpartition(".")[2] in _TOPS
