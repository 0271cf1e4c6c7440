"""Lines of a names or hosts file -> patterns, and what is wrong with the others; fast for a million plain lines.

The two formats of lists that people share: one pattern a line, or an address and names a line as in /etc/hosts. This
module must not know files, sets or zones (those are rpz_text.py's).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

from resolver.policy.patterns import Pattern, PatternError, canonical_name, parse_pattern

TOLD = 20
"""How many wrong lines are told; the others are counted."""
_PLAIN = re.compile(rb"(\*\.|\.)?([a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*)\.?")
_PLAIN_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_BITS = {None: (1, 0), b"*.": (0, 1), b".": (1, 1)}
_LONGEST = 253
_LOCAL = frozenset(
    {"localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost", "ip6-loopback", "ip6-localnet",
     "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "ip6-allhosts", "0.0.0.0"}  # noqa: S104 - a name in such files
)  # fmt: skip
"""Names every hosts file gives to the machine itself: nobody means to list them."""

Take = Callable[[bytes, int, int], None]
"""Takes a name in lower case, 1 where it stands for itself, 1 where it stands for all below it."""


@dataclass(slots=True)
class Troubles:
    """What is wrong with a text: the first lines with why, and how many in all."""

    first: list[tuple[int, str]] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, why: str) -> None:
        """One more line (from 1) that is wrong."""
        self.count += 1
        if len(self.first) < TOLD:
            self.first.append((line, why))


def read_names(content: bytes, take: Take, troubles: Troubles) -> list[str]:
    """One pattern a line, ``#`` begins a comment.

    Args:
        content: of the file.
        take: is given each pattern without a ``*`` inside a label.
        troubles: is told of lines that are no pattern.

    Returns:
        The patterns that are matched one by one.
    """
    globs: list[str] = []
    plain = _PLAIN.fullmatch
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        text = line.partition(b"#")[0].strip().lower()
        if not text:
            continue
        found = plain(text)
        if found and len(found[2]) <= _LONGEST:
            take(found[2], *_BITS[found[1]])
            continue
        try:
            _take_pattern(parse_pattern(text.decode()), take, globs)
        except UnicodeDecodeError as error:
            troubles.add(number, f"not UTF-8 at byte {error.start} of the line")
        except PatternError as error:
            troubles.add(number, f"expected a pattern such as *.example.com, got {_shown(text)}: {error}")
    return globs


def _take_pattern(pattern: Pattern, take: Take, globs: list[str]) -> None:
    if pattern.globs or pattern.kind == "any":
        globs.append(pattern.text)
    else:
        take(pattern.suffix.encode(), int(pattern.kind != "below"), int(pattern.kind != "exact"))


def read_hosts(content: bytes, take: Take, troubles: Troubles) -> list[str]:
    """An address and names a line, as in /etc/hosts; names of the machine itself (localhost) are passed over."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            address, *names = line.partition(b"#")[0].decode().split() or [""]
        except UnicodeDecodeError as error:
            troubles.add(number, f"not UTF-8 at byte {error.start} of the line")
            continue
        if not address:
            continue
        if not names or not _is_address(address):
            troubles.add(number, f"expected an address and names, got {_shown(line.strip())}")
            continue
        for name in names:
            _take_host(name, number, take, troubles)
    return []


def _take_host(name: str, number: int, take: Take, troubles: Troubles) -> None:
    name = name.lower()
    if name in _LOCAL:
        return
    if _PLAIN_HOST.fullmatch(name) and len(name) <= _LONGEST:
        take(name.encode(), 1, 0)
        return
    try:
        take(canonical_name(name).encode(), 1, 0)
    except PatternError as error:
        troubles.add(number, f"expected a domain name, got {name!r}: {error}")


@lru_cache(maxsize=256)
def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _shown(text: bytes) -> str:
    shown = repr(text.decode(errors="replace"))
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
