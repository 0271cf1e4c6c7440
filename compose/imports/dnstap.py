"""dnstap (dnstap.info, dnstap.proto) -> queries with their answers: what clients asked, as their server tells it.

Only what a server is asked and answers makes events: CLIENT and AUTH messages. What it asks other servers is the same
question again, from an address that is no client's. BIND goes by the flag RD and calls queries of one client one or
the other, a query even other than its response; so the two count as one kind. Must not know files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compose.imports.messages import MessageError, read_message
from compose.imports.observed import Observed
from compose.imports.order import by_time
from compose.imports.packets import address_text
from compose.imports.pairing import Pairing, Seen
from compose.imports.protobuf import ProtobufError, Value, fields_of
from compose.imports.report import Report

NOT_DNSTAP = "not a dnstap message"
OTHERS = "not between a client and its server (a resolver's own questions, tools, updates)"
EMPTY = "a dnstap message without the DNS message"

_MESSAGE, _TYPE = 14, 15
_KIND, _TRANSPORT, _CLIENT, _SERVER, _PORT, _SERVER_PORT = 1, 3, 4, 5, 6, 7
_ASKED_S, _ASKED_NS, _QUERY, _TOLD_S, _TOLD_NS, _RESPONSE = 8, 9, 10, 12, 13, 14
_QUERIES, _RESPONSES = frozenset({1, 5}), frozenset({2, 6})
"""Message.Type: AUTH_QUERY and CLIENT_QUERY, AUTH_RESPONSE and CLIENT_RESPONSE."""
_DATAGRAMS = frozenset({1, 5, 7})
"""SocketProtocol: UDP, DNSCrypt over UDP, DoQ; the others are streams."""


def observe_dnstap(frames: Iterable[tuple[bytes, str]], report: Report) -> Iterator[Observed]:
    """Queries of these frames, in order of time as far as the frames are."""
    pairing = Pairing(report)
    for seen in by_time(_told(frames, report), lambda one: one.time_ns, lambda one: len(one.message.wire)):
        yield from pairing.add(seen)
    yield from pairing.rest()


def _told(frames: Iterable[tuple[bytes, str]], report: Report) -> Iterator[Seen]:
    for content, where in frames:
        try:
            seen = _seen(fields_of(content), where)
        except ProtobufError:
            report.spoiled(NOT_DNSTAP, where)
        except MessageError as error:
            report.spoiled(str(error), where)
        else:
            if seen is None:
                report.passed_over(OTHERS, where)
            else:
                yield seen


def _seen(outer: dict[int, Value], where: str) -> Seen | None:
    if outer.get(_TYPE) != 1 or not isinstance(content := outer.get(_MESSAGE), bytes):
        raise ProtobufError(NOT_DNSTAP)
    fields = fields_of(content)
    kind = fields.get(_KIND)
    answers = kind in _RESPONSES
    if not answers and kind not in _QUERIES:
        return None
    wire = fields.get(_RESPONSE if answers else _QUERY)
    if not isinstance(wire, bytes):
        raise MessageError(EMPTY)
    message = read_message(wire)
    if message.answers != answers:
        raise MessageError(EMPTY)
    seconds, fraction = (_TOLD_S, _TOLD_NS) if answers else (_ASKED_S, _ASKED_NS)
    time_ns = _number(fields, seconds) * 1_000_000_000 + _number(fields, fraction)
    transport = "udp" if _number(fields, _TRANSPORT) in _DATAGRAMS else "tcp"
    asked_ns = _number(fields, _ASKED_S) * 1_000_000_000 + _number(fields, _ASKED_NS)
    ends = _end(fields, _CLIENT, _PORT), _end(fields, _SERVER, _SERVER_PORT)
    return Seen(time_ns, *ends[0], *ends[1], transport, message, where, asked_ns)


def _number(fields: dict[int, Value], number: int) -> int:
    value = fields.get(number, 0)
    if isinstance(value, bytes):
        raise ProtobufError(NOT_DNSTAP)
    return value


def _end(fields: dict[int, Value], address: int, port: int) -> tuple[str, int]:
    """Address and port; servers may leave both out."""
    value = fields.get(address, b"")
    if not isinstance(value, bytes) or len(value) not in {0, 4, 16}:
        raise ProtobufError(NOT_DNSTAP)
    return (address_text(value) if value else ""), _number(fields, port)
