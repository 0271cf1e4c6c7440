"""Registered domain of a name: public suffix plus one label, by the public suffix list bundled with publicsuffixlist.

Private suffixes count (github.io, cloud platforms): their customers are neighbours, not one domain.
"""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList

_LIST = PublicSuffixList(accept_unknown=True, only_icann=False)
_LISTED = PublicSuffixList(accept_unknown=False, only_icann=True)


@lru_cache(maxsize=4096)
def is_public_suffix(name: str) -> bool:
    """Whether a registry sells names below it: `com` and `co.uk`, but neither `corp` nor `fritz.box`."""
    return _LISTED.publicsuffix(name) is not None


@lru_cache(maxsize=16384)
def registered_domain(name: str) -> str:
    """Registered domain of a lower-case name without final dot; empty for a public suffix or the root.

    >>> registered_domain("a.b.example.co.uk")
    'example.co.uk'
    >>> registered_domain("co.uk")
    ''
    """
    return _LIST.privatesuffix(name) or ""
