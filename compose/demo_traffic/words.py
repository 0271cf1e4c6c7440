"""Names of a world that does not exist: sites, content networks, services, all under reserved top-level domains.

Everything public lies below ``.example`` (RFC 2606), so that no generated name is anybody's. Pure: a generator in,
names out.
"""

from __future__ import annotations

import numpy as np

_FIRST = """
amber bright calm cedar clear copper coral crisp early east ever field first flint fresh garden gold grand green happy
high home kind lake little lucky maple meadow mellow merry new north oak ocean old open orange pine plain prime quick
quiet river rose silver simple slate smart solid south spring star stone sunny swift true velvet west
"""
_SECOND = """
bakery bank bikes books cafe camera cars cloud coffee craft deals design desk drive farm fashion film fitness foods
forum games garage guide health homes hotel jobs journal kitchen learning letters library mail maps market media music
news notes paper pets photo planet radio recipes rentals school science shoes shop sports studio tickets tools toys
travel videos weather wiki works
"""
HOSTS = ("www", "", "api", "static", "img", "login", "cdn", "m")
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz234567"))


def sites(rng: np.random.Generator, count: int) -> list[str]:
    """Registered domains as people choose them, each once."""
    first, second = _FIRST.split(), _SECOND.split()
    picks = rng.choice(len(first) * len(second), count, replace=False)
    return [f"{first[pick // len(second)]}{second[pick % len(second)]}.example" for pick in picks.tolist()]


def letters(rng: np.random.Generator, length: int) -> str:
    """So many random characters of base 32."""
    return "".join(rng.choice(_LETTERS, length).tolist())


def edges(rng: np.random.Generator, networks: int, hosts: int) -> list[str]:
    """Hosts of content delivery networks, hashed as theirs are."""
    return [
        f"{letters(rng, 8)}.{place}.{_FIRST.split()[network]}edge.example"
        for network in range(networks)
        for place in ("eu", "us")
        for _ in range(hosts // 2)
    ]
