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

_FEW = 64
"""Names up to which a look at each is cheaper than a pass over all of them for every zone."""

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
    """For each row the index in `zones` of the first that holds its name, -1 for none."""
    codes, place = inverse(rows.codes("qname"))
    found = np.full(len(codes), -1, np.int64)
    if len(codes) <= _FEW:
        for at, name in enumerate(rows.batch.named("qname", codes)):
            if name.endswith(zones):
                found[at] = next(index for index, zone in enumerate(zones) if name.endswith(zone))
    else:
        names = rows.batch.values("qname").take(pa.array(codes))
        for index in range(len(zones) - 1, -1, -1):
            found[pc.ends_with(names, zones[index]).to_numpy(zero_copy_only=False)] = index
    return found[place]


def is_own(domain: str, internal: tuple[str, ...]) -> bool:
    """Whether a domain lies in the tenant's own zones."""
    return f".{domain}".endswith(SPECIAL_USE) or any(matches(pattern, domain) for pattern in internal)


def is_expansion(qname: str, domain: str) -> bool:
    """Whether a name looks like a public name tried with a search domain: www.example.com.corp.example.net."""
    left = qname.removesuffix(domain).rstrip(".")
    return "." in left and left.rpartition(".")[2] in _TOPS
