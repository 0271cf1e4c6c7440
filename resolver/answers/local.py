"""Building blocks of answers made here: records of the answer section, and the negative answer with its SOA.

Used by the answers that need no upstream (policy, virtual). This module must not know policy or tenants.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from struct import pack

from resolver.chain import record_wire
from resolver.errors import Ede, Rcode, ResolutionError, UpstreamError
from resolver.names import name_wire
from resolver.query import Query, Record, Response

QNAME_POINTER = b"\xc0\x0c"
"""The name asked, as a compression pointer: it always stands behind the header."""
_SOA_NAMES = name_wire("ns.nameward.invalid") + name_wire("hostmaster.nameward.invalid")
_REFRESH, _RETRY, _EXPIRE = 3600, 600, 86400


@dataclass(slots=True)
class Alias:
    """The way from the name asked to a name that must be looked up elsewhere: CNAMEs, or nothing that shows.

    Args:
        chain: (owner on the wire, CNAME record), in order.
        target: name to look up, text form.
        source: answer_source of the event.
        ede, ede_text: Extended DNS Error that goes with the whole answer.
        flat: seconds that cap the TTLs of the target's records, which are answered under the name asked; -1 where the
            chain is shown.
        valid_until: Unix seconds from which the way may be another one under the same policy epoch.
    """

    chain: tuple[tuple[bytes, Record], ...]
    target: str
    source: str
    ede: int = Ede.NONE
    ede_text: str = field(default="")
    flat: int = -1
    valid_until: float = inf


def positive(
    source: str, records: list[tuple[bytes, Record]], additional: list[tuple[bytes, Record]] | None = None
) -> Response:
    """A local answer with these (owner on the wire, record); its TTLs never count down."""
    body = b"".join(record_wire(owner, record) for owner, record in records)
    more = b"".join(record_wire(owner, record) for owner, record in additional or ())
    return Response(
        rcode=Rcode.NOERROR, source=source, body=body + more, counts=(len(records), 0, len(additional or ())),
        ends=(len(body), len(body)), records=tuple(record for _, record in records), aa=True,
    )  # fmt: skip


def negative(source: str, rcode: int, query: Query, ttl: int) -> Response:
    """A local name error or NODATA with the SOA that lets it be cached (RFC 2308 section 3).

    Args:
        source: answer_source of the event.
        rcode: NXDOMAIN or NOERROR.
        query: the SOA's owner is the name asked for NODATA, its parent for a name error (an apex exists).
        ttl: seconds it may be kept: the SOA's TTL and MINIMUM.
    """
    owner = QNAME_POINTER
    if rcode == Rcode.NXDOMAIN:
        # The parent's name is the qname without its first label: a pointer behind that label.
        first = query.question[0]
        owner = pack("!H", 0xC000 | 12 + first + 1) if first else b"\0"
    data = _SOA_NAMES + pack("!IIIII", 1, _REFRESH, _RETRY, _EXPIRE, ttl)
    body = owner + pack("!HHIH", 6, 1, ttl, len(data)) + data
    return Response(rcode=rcode, source=source, body=body, counts=(0, 1, 0), ends=(0, len(body)), aa=True)


def failure(error: ResolutionError) -> Response:
    """The one place where an error becomes an answer."""
    response = Response(error.rcode, "error", ede=error.ede, ede_text=error.ede_text)
    if isinstance(error, UpstreamError):
        response.upstream, response.upstream_us = error.upstream, error.elapsed_us
    return response


def absolute(name: str) -> str:
    """A name in text form as record data: with the final dot."""
    return name if name == "." else name + "."
