"""Texts that operators write in many places, read: networks and patterns; and how what is wrong with them is told.

Used by every compile_* of this package. This module must not know objects, rules or tenants.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from resolver.policy.patterns import Pattern, PatternError, parse_pattern
from resolver.subnets import Network

Report = Callable[[str, str], None]
"""Takes a key path and what is wrong there."""


def below(path: str, report: Report) -> Report:
    """The report of a part of what is reported on."""
    return lambda at, why: report(path + at, why)


def parse_network(text: str) -> Network:
    """An address or CIDR block.

    Raises:
        ValueError: saying what is wrong; bits set behind the prefix are wrong, they hide typing errors.
    """
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"expected an address or a CIDR block such as 10.1.0.0/16, got {text!r}: {error}") from error


def parse_networks(texts: Iterable[str], path: str, report: Report) -> list[Network]:
    """Networks of a list, those that are wrong reported and left out."""
    networks = []
    for place, text in enumerate(texts):
        try:
            networks.append(parse_network(text))
        except ValueError as error:
            report(f"{path}[{place}]", str(error))
    return networks


def parse_patterns(texts: Iterable[str], path: str, report: Report) -> tuple[Pattern, ...]:
    """Patterns of a list, those that are wrong reported and left out."""
    patterns = []
    for place, text in enumerate(texts):
        try:
            patterns.append(parse_pattern(text))
        except PatternError as error:
            report(f"{path}[{place}]", f"expected a pattern such as *.example.com, got {text!r}: {error}")
    return tuple(patterns)
