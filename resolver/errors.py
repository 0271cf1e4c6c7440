"""What can go wrong on the path of a query, each with the answer it deserves: an rcode and an Extended DNS Error.

Raised by wire, answers and upstream; the handler catches ResolutionError in one place and encodes it. Lowest layer:
this module must not know any other module of the resolver.
"""

from __future__ import annotations

from enum import IntEnum


class Rcode(IntEnum):
    """Response codes that this resolver sends or reads (RFC 1035 section 4.1.1, RFC 6891 section 9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


DECIDED = frozenset({Rcode.NOERROR, Rcode.NXDOMAIN})
"""Rcodes that say something about the name; every other one is a failure of who was asked."""


class Ede(IntEnum):
    """Extended DNS Errors that this resolver gives (RFC 8914 section 4); NONE means that no EDE is sent."""

    NONE = -1
    OTHER = 0
    STALE_ANSWER = 3
    FORGED_ANSWER = 4
    BLOCKED = 15
    PROHIBITED = 18
    STALE_NXDOMAIN = 19
    NOT_AUTHORITATIVE = 20
    NO_REACHABLE_AUTHORITY = 22
    NETWORK_ERROR = 23


class ResolutionError(Exception):
    """A query that ends in an error answer.

    Args:
        ede_text: one clause for the EDE's text, without names that the client did not send; empty for none.
    """

    rcode: int = Rcode.SERVFAIL
    ede: int = Ede.NONE

    def __init__(self, ede_text: str = "") -> None:
        super().__init__(ede_text)
        self.ede_text = ede_text


class NotAQueryError(Exception):
    """Bytes that get no answer at all: shorter than a header, or themselves a response (answering it makes loops)."""


class FormatError(ResolutionError):
    """Bytes with a readable header but no readable query."""

    rcode = Rcode.FORMERR


class NotImplementedQueryError(ResolutionError):
    """An opcode or meta type this resolver does not implement."""

    rcode = Rcode.NOTIMP


class BadVersionError(ResolutionError):
    """An EDNS version other than 0 (RFC 6891 section 6.1.3)."""

    rcode = Rcode.BADVERS


class RefusedError(ResolutionError):
    """A query this resolver will not answer for this client."""

    rcode = Rcode.REFUSED

    def __init__(self, ede_text: str = "", *, ede: int = Ede.NONE) -> None:
        super().__init__(ede_text)
        self.ede = ede


class OverloadError(ResolutionError):
    """More queries wait for upstream than this worker takes at a time."""

    ede = Ede.OTHER

    def __init__(self) -> None:
        super().__init__("too many queries in flight")


class SearchError(ResolutionError):
    """A search list with more names to ask upstream for than one query may."""

    ede = Ede.OTHER

    def __init__(self) -> None:
        super().__init__("the search list is too long to be tried at once")


class NoUpstreamError(ResolutionError):
    """A name for which the tenant names no upstream."""

    ede = Ede.OTHER

    def __init__(self) -> None:
        super().__init__("no upstream for this name")


class UpstreamError(ResolutionError):
    """Every server of the group was asked and none gave a usable answer.

    Args:
        ede_text: why, e.g. ``timeout``.
        upstream: URL of the last server asked.
        elapsed_us: microseconds spent waiting.
    """

    ede = Ede.NETWORK_ERROR

    def __init__(self, ede_text: str, *, upstream: str = "", elapsed_us: int = 0) -> None:
        super().__init__(ede_text)
        self.upstream = upstream
        self.elapsed_us = elapsed_us


class ResponseError(ValueError):
    """Bytes from upstream that are not a usable response."""
