"""The values that travel down the path of a query: Query, Edns, Record, Response.

Values only, no behaviour beyond what they hold. wire.py makes a Query of bytes and bytes of a Response; everything
between passes them on. This module must not know sockets, policy, or who publishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from resolver.errors import Ede, Rcode


@dataclass(slots=True, frozen=True)
class Edns:
    """The OPT pseudo-record of a message (RFC 6891 section 6.1).

    Args:
        version: EDNS version; 0 is the only one.
        payload: UDP payload size of the sender in bytes, as sent.
        do: DNSSEC OK (RFC 3225).
        options: (code, value) in the order sent.
    """

    version: int
    payload: int
    do: bool
    options: tuple[tuple[int, bytes], ...] = ()


@dataclass(slots=True, eq=False)
class Query:
    """One decoded query; nobody changes it (not frozen, since that doubles the price of making one).

    Args:
        id: message id.
        flags: header flags word as it came.
        opcode: 0 is QUERY.
        rd: recursion desired.
        cd: checking disabled (RFC 4035 section 3.2.2).
        ad: authentic data; in a query, "I understand AD" (RFC 6840 section 5.7).
        do: DNSSEC OK of the OPT record.
        question: qname, qtype and qclass as they came, letter case kept (what is echoed).
        qname: lower case, presentation format, without the final dot; the root is ".".
        qtype: number.
        qclass: number.
        qtype_name: mnemonic, or TYPEn (RFC 3597 section 5).
        edns: None when the query had no OPT record.
        size: bytes of the message.
    """

    id: int
    flags: int
    opcode: int
    rd: bool
    cd: bool
    ad: bool
    do: bool
    question: bytes
    qname: str
    qtype: int
    qclass: int
    qtype_name: str
    edns: Edns | None
    size: int


class Record(NamedTuple):
    """One resource record: owner as qname is written, type mnemonic, data in presentation format, TTL in seconds."""

    name: str
    type: str
    data: str
    ttl: int


@dataclass(slots=True)
class Response:
    """An answer under construction, independent of who asked: everything between the question and the OPT record.

    Args:
        rcode: response code, extended ones included.
        source: answer_source of the event: policy, virtual, discovery, cache, stale, upstream, error or none.
        body: answer, authority and additional records as on the wire, without OPT. Compression pointers count from
            the start of a message whose question section holds the qname asked, so the body fits behind any query
            for that name, whatever its letter case or type.
        counts: records in the answer, authority and additional sections of the body.
        ends: offsets in the body at which the answer and authority sections end.
        ttl_offsets: offsets in the body of each record's TTL.
        records: the answer section in presentation format, for rules and events, TTLs as in the body.
        aa: authoritative answer: local data.
        ad: upstream vouched for the data; shown only to those who ask (RFC 6840 section 5.8).
        ede: RFC 8914 code, -1 for none.
        ede_text: its text.
        upstream: URL of the server asked; empty when none was.
        upstream_us: microseconds spent waiting for it.
        lifetime: seconds from `born` for which the body may be kept; 0 is not at all.
        born: Unix seconds at which the TTLs in the body were right; None when they never count down (local data).
        valid_until: Unix seconds at which the answer must be decided again (schedules, expiries, when a remembered one
            is to be renewed); inf for never.
        asked: how often it was given from memory; a second on the fast path counts as once.
    """

    rcode: int
    source: str
    body: bytes = b""
    counts: tuple[int, int, int] = (0, 0, 0)
    ends: tuple[int, int] = (0, 0)
    ttl_offsets: tuple[int, ...] = ()
    records: tuple[Record, ...] = ()
    aa: bool = False
    ad: bool = False
    ede: int = -1
    ede_text: str = ""
    upstream: str = ""
    upstream_us: int = 0
    lifetime: int = 0
    born: float | None = None
    valid_until: float = inf
    asked: int = 0
    truncated: bool = False

    @property
    def until(self) -> float:
        """Unix seconds from which on the answer may be another one."""
        return self.valid_until if self.born is None else min(self.valid_until, self.born + self.lifetime)

    def remembered(self, now: float) -> Response:
        """The same answer as a cache gives it, its TTLs right at `now` (Unix seconds)."""
        return Response(
            self.rcode, "cache", self.body, self.counts, self.ends, self.ttl_offsets, self.records, self.aa, self.ad,
            self.ede, self.ede_text, "", 0, self.lifetime, now, self.valid_until,
        )  # fmt: skip

    def stale(self, ttl: int, until: float) -> Response:
        """The same answer behind its end: TTLs that never count down, an EDE that says so, nobody who vouches for it.

        Args:
            ttl: seconds, of every record (RFC 8767 section 5 recommends 30).
            until: Unix seconds at which upstream is to be asked again.
        """
        body = bytearray(self.body)
        for offset in self.ttl_offsets:
            body[offset : offset + 4] = ttl.to_bytes(4, "big")
        ede = Ede.STALE_NXDOMAIN if self.rcode == Rcode.NXDOMAIN else Ede.STALE_ANSWER
        return Response(
            self.rcode, "stale", bytes(body), self.counts, self.ends, self.ttl_offsets,
            tuple(record._replace(ttl=ttl) for record in self.records), ede=ede, valid_until=until,
        )  # fmt: skip
