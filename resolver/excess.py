"""Queries over a limit: what is sent, what is counted, what is told.

Over UDP every n-th gets an empty truncated answer, so that a real client comes back over TCP, where addresses cannot
be forged (the `slip` of response rate limiting); the others get silence. Over TCP, where silence would only hold a
connection open, the answer is REFUSED. Nothing here is looked up, and hardly anything read: a flood must cost little.
This module must not know rules or sockets.
"""

from __future__ import annotations

from collections.abc import Callable

from resolver.buffer import Offer
from resolver.errors import Ede, NotAQueryError, Rcode
from resolver.event import Visit, template_of
from resolver.floods import Floods
from resolver.limits import Meter
from resolver.policy.decision import Decision
from resolver.query import Response
from resolver.tenants import Arrival, Asker, Policies, identify
from resolver.wire import CD, HEADER, MAX_UDP, QR, RA, RD, TC, decode_query, encode_response, limit_of

_TRUNCATED = Response(Rcode.NOERROR, "limit")
_REFUSED = Response(Rcode.REFUSED, "limit", ede=Ede.OTHER, ede_text="too many queries")
_CLOSED = Response(Rcode.REFUSED, "limit")
_NO_QUERY = 0xF800  # QR, or another opcode than QUERY
_OPT = b"\0\0\x29" + MAX_UDP.to_bytes(2, "big") + b"\0\0"


class Excess:
    """Turns queries away.

    Args:
        policies: what is in force.
        offer: takes the events of the few that are told.
        show: how a client appears in events: (privacy setting, address) -> text.
    """

    def __init__(self, policies: Policies, offer: Offer, show: Callable[[str, str], str]) -> None:
        self._policies, self._offer, self._show = policies, offer, show
        self._floods: dict[str, Floods] = {}

    def watch(self, arrival: Arrival, wake: Callable[[], None]) -> Floods:
        """Note the UDP queries over a limit that come in here; see Floods."""
        floods = self._floods[arrival.listener] = Floods(arrival, wake)
        return floods

    def unwatch(self, arrival: Arrival) -> None:
        """Note them no more."""
        self._floods.pop(arrival.listener, None)

    def answer(  # noqa: PLR0917 - a call for every query of a flood; keywords cost more
        self, meter: Meter, over: str, message: bytes, address: str, transport: str, received_ns: int, arrival: Arrival
    ) -> bytes | None:
        """What a query over a limit gets.

        Args:
            meter: of its tenant.
            over: the limit: ``client`` or ``tenant``.
            message: as it came, without framing.
            address: the client's, in presentation format.
            transport: udp or tcp.
            received_ns: Unix nanoseconds.
            arrival: what is known of the client beside its address.

        Returns:
            The answer, None for silence.
        """
        floods = self._floods.get(arrival.listener)
        if transport != "udp":
            wire, done = self._refused(message, address, transport, arrival), "refused"
        elif wire := truncated(message) if meter.slips(floods.note(meter, over, address) if floods else 1) else None:
            done = "truncated"
        else:
            done = "dropped"
        meter.turned_away[over, done] += 1
        if meter.told(received_ns):
            self._tell(over, message, wire, address, transport, received_ns, arrival)
        return wire

    def _refused(self, message: bytes, address: str, transport: str, arrival: Arrival) -> bytes | None:
        try:
            query, _ = decode_query(message)
        except NotAQueryError:
            return None
        response = _refusal(identify(self._policies.current, address, arrival))
        return encode_response(query, response, now=0.0, limit=limit_of(query, transport))

    def _tell(  # noqa: PLR0917 - what an event is made of
        self,
        over: str,
        message: bytes,
        wire: bytes | None,
        address: str,
        transport: str,
        received_ns: int,
        arrival: Arrival,
    ) -> None:
        try:
            query, _ = decode_query(message)
        except NotAQueryError:
            return
        compiled = self._policies.current
        asker = identify(compiled, address, arrival)
        decision = Decision("deny", tags=(f"limit-{over}",))
        visit = Visit(query, message, address, transport, received_ns, compiled.epoch, compiled.version)
        visit.asker, visit.decision = asker, decision
        response = _TRUNCATED if transport == "udp" else _refusal(asker)
        shown = self._show(asker.tenant.privacy if asker else "clear", address)
        self._offer(template_of(visit, response, wire, shown=shown, age=0), received_ns, 0)


def _refusal(asker: Asker | None) -> Response:
    """An unknown client is told nothing that it is not told below its limit."""
    return _REFUSED if asker is not None else _CLOSED


def truncated(message: bytes) -> bytes | None:
    """A query turned into an empty truncated answer, without a look at more than its question.

    Returns:
        The answer; None if the message is not a plain query with one question and, at most, an OPT record behind it.
    """
    flags = int.from_bytes(message[2:4], "big")
    if flags & _NO_QUERY or message[4:10] != b"\0\1\0\0\0\0":
        return None
    end, size = HEADER, len(message)
    while end < size and 0 < message[end] < 64:
        end += message[end] + 1
    end += 5
    if end > size or message[end - 5] or end - HEADER > 259:  # RFC 1035 section 2.3.4
        return None
    opt = b""
    if size >= end + 11 and message[end : end + 3] == b"\0\0\x29":
        # RFC 6891 section 6.1.1: a response has an OPT record where the query had one.
        opt = _OPT + bytes((message[end + 7] & 0x80, 0, 0, 0))
    head = (QR | TC | RA | flags & (RD | CD)).to_bytes(2, "big")
    return message[:2] + head + (b"\0\1\0\0\0\0\0\1" if opt else b"\0\1\0\0\0\0\0\0") + message[HEADER:end] + opt
