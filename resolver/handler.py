"""THE PATH of a query, top to bottom: decode, identify, decide, answer, inspect, encode; then one event.

Listeners call it with bytes and send the bytes it returns; fastpath.py repeats what it found. It calls leaves, leaves
never call each other. Nothing here waits but for upstream, and nothing here knows sockets or Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from resolver.answers.local import failure
from resolver.answers.lookup import Lookup, answer_named, follow
from resolver.answers.policy import answer_by_policy, minimal_any
from resolver.answers.search import MOST_QUESTIONS, run, search_for
from resolver.answers.virtual import Enclosing
from resolver.errors import (
    Ede,
    NotAQueryError,
    NoUpstreamError,
    OverloadError,
    RefusedError,
    ResolutionError,
    UpstreamError,
)
from resolver.event import Visit
from resolver.excess import Excess
from resolver.limits import InFlight, Meters
from resolver.policy.decision import Decision
from resolver.policy.engine import decide, inspect, inspect_failure
from resolver.policy.on_answer import Answered
from resolver.query import Response
from resolver.rendering import Rendering
from resolver.resolution import Asking, Resolution, same
from resolver.tenants import PLAIN, Arrival, Asker, Policies, identify
from resolver.wire import check_servable, decode_query

Answering = Coroutine[None, None, bytes | None]
_ALLOW = Decision("allow")
_ANY = 255
_TRIES = 4
"""How often a query is decided anew because policy changed while upstream was asked."""


class Handler:
    """Answers queries.

    Args:
        policies: what is in force.
        resolution: what upstream says, remembered or asked for.
        rendering: puts answers on the wire and tells of them.
        clock: Unix time in nanoseconds.
        draw: a random number in [0, 1), for virtual names whose choice of a target is not sticky.
        meters: what tenants with limits used.
        excess: answers queries over a limit.
        max_in_flight: most queries waiting for upstream at a time; more are answered SERVFAIL.
    """

    def __init__(
        self,
        policies: Policies,
        resolution: Resolution,
        rendering: Rendering,
        *,
        clock: Callable[[], int],
        draw: Callable[[], float],
        meters: Meters,
        excess: Excess,
        max_in_flight: int = 4096,
    ) -> None:
        self._policies, self._resolution, self._clock, self._draw = policies, resolution, clock, draw
        self._finish, self._enclosing = rendering.finish, Enclosing()
        self.meters, self.excess = meters, excess
        self.in_flight, self.ignored = InFlight(max_in_flight), 0

    def handle(
        self,
        message: bytes,
        address: str,
        port: int,  # noqa: ARG002 - part of who asks
        transport: str,
        received_ns: int,
        *,
        arrival: Arrival = PLAIN,
    ) -> bytes | Answering | None:
        """Answer one message.

        Args:
            message: as it came, without framing.
            address: the client's, in presentation format.
            port: the client's.
            transport: udp or tcp.
            received_ns: Unix nanoseconds.
            arrival: what is known of the client beside its address.

        Returns:
            The answer, None where none is to be sent; or a coroutine of that when upstream must be asked.
        """
        meter = self.meters.of(identify(self._policies.current, address, arrival))
        if meter is not None and (over := meter.over(address, transport, received_ns)):
            return self.excess.answer(meter, over, message, address, transport, received_ns, arrival)
        return self.answer(message, address, transport, received_ns, arrival)

    def answer(
        self, message: bytes, address: str, transport: str, received_ns: int, arrival: Arrival
    ) -> bytes | Answering | None:
        """The same as `handle` for a message that no limit holds up."""
        try:
            query, error = decode_query(message)
        except NotAQueryError:
            self.ignored += 1
            return None
        visit = Visit(query, message, address, transport, received_ns, arrival=arrival)
        try:
            found = self._find(visit, received_ns / 1e9, error)
        except ResolutionError as failed:
            found = self._failed(visit, failed, received_ns / 1e9)
        return self._ask(visit, found) if isinstance(found, Lookup) else self._finish(visit, found, received_ns)

    def _find(self, visit: Visit, now: float, error: ResolutionError | None = None) -> Response | Lookup:
        """Everything that needs no waiting: the answer, or what to ask upstream."""
        query, compiled = visit.query, self._policies.current
        if visit.epoch != compiled.epoch:
            visit.search = None
        visit.epoch, visit.version = compiled.epoch, compiled.version
        visit.asker = asker = identify(compiled, visit.address, visit.arrival)
        visit.meter = self.meters.of(asker)
        if asker is None:
            return Response(RefusedError.rcode, "policy")  # closed by default
        visit.decision = _ALLOW
        if error is not None:
            raise error
        check_servable(query)
        if visit.search is None and asker.tenant.search:
            visit.search = search_for(asker.tenant.search, query)
        if visit.search is not None:
            return self._searched(visit, asker, now)
        return self._tried(visit, asker, Lookup(query), now)

    def _searched(self, visit: Visit, asker: Asker, now: float, found: Response | None = None) -> Response | Lookup:
        """One name of the search list after the other. found: what the one that is on got from upstream."""
        return run(visit.search, visit, lambda lookup: self._tried(visit, asker, lookup, now), found)

    def _tried(self, visit: Visit, asker: Asker, start: Lookup, now: float) -> Response | Lookup:
        """One name: the client's, or one of its tenant's search list."""
        query = start.query
        visit.decision = decision = decide(asker, query.qname, query.qtype_name, visit.transport, now)
        if decision.form is not None:
            denied = answer_by_policy(visit.query, decision, decision.form)
            found = follow(asker, Lookup(visit.query), denied, now, self._draw)
        elif query.qtype == _ANY:
            found = minimal_any(query)
        else:
            found = follow(asker, start, answer_named(asker, query, now, self._draw), now, self._draw)
        return self._known(visit, asker, found, now)

    def _known(self, visit: Visit, asker: Asker, found: Response | Lookup, now: float) -> Response | Lookup:
        """What is remembered, in place of what upstream would be asked for; then inspected."""
        if isinstance(found, Response):
            return self._inspected(visit, asker, found, "", now)
        cached = self._resolution.known(*self._asking(visit, found), now)
        if cached is None:
            return found
        answer = found.arrive(self._enclosing.mend(asker.tenant, found.query, cached), now)
        return self._inspected(visit, asker, answer, found.query.qname, now)

    async def _ask(self, visit: Visit, lookup: Lookup) -> bytes | None:
        tenant = visit.asker.tenant if visit.asker else None
        if tenant is None or not self.in_flight.enter(tenant.name, tenant.in_flight):
            return self._finish(visit, failure(OverloadError()), self._clock())
        found: Response | Lookup = lookup
        try:
            while isinstance(found, Lookup):
                try:
                    found = await self._from_upstream(visit, found)
                except ResolutionError as error:
                    found = self._failed(visit, error, self._clock() / 1e9)
        finally:
            self.in_flight.leave(tenant.name)
        return self._finish(visit, found, self._clock())

    async def _from_upstream(self, visit: Visit, lookup: Lookup) -> Response:
        """Ask, inspect, search on; if policy changed meanwhile, decide again: nothing old is served after a swap."""
        if not visit.query.rd:
            # RFC 8914 section 4.21: a resolver asked without recursion desired says so.
            raise RefusedError("recursion was not desired", ede=Ede.NOT_AUTHORITATIVE)
        for _ in range(_TRIES if visit.search is None else _TRIES + MOST_QUESTIONS):
            if visit.search is not None:
                visit.search.count_question()
            asked = self._asking(visit, lookup)
            answer = await self._told(visit, asked)
            now = self._clock() / 1e9
            found = lookup if visit.epoch == self._policies.current.epoch else self._find(visit, now)
            if answer is not None and isinstance(found, Lookup) and same(self._asking(visit, found), asked):
                found = self._arrived(visit, found, answer, now)
            if isinstance(found, Response):
                return found
            lookup = found
        raise OverloadError

    async def _told(self, visit: Visit, asked: Asking) -> Response | None:
        """What upstream says; None if it failed, but policy changed meanwhile and may name other servers."""
        try:
            return await self._resolution.ask(*asked)
        except UpstreamError:
            if visit.epoch == self._policies.current.epoch:
                raise
            return None

    def _arrived(self, visit: Visit, lookup: Lookup, answer: Response, now: float) -> Response | Lookup:
        asker = visit.claimant
        answer = lookup.arrive(self._enclosing.mend(asker.tenant, lookup.query, answer), now)
        found = self._inspected(visit, asker, answer, lookup.query.qname, now)
        if visit.search is not None and isinstance(found, Response):
            return self._searched(visit, asker, now, found)
        return found

    def _asking(self, visit: Visit, lookup: Lookup) -> Asking:
        tenant = visit.claimant.tenant
        if (group := tenant.upstream_for(lookup.query.qname, visit.decision.route)) is None:
            raise NoUpstreamError
        return tenant, group, lookup.query

    def _inspected(self, visit: Visit, asker: Asker, found: Response, asked: str, now: float) -> Response | Lookup:
        """Rules on the answer: every CNAME hop and address, be it upstream's (which was `asked`) or made here."""
        if visit.decision.form is not None or not (asked or visit.decision.waiting):
            return found
        answer = Answered(found.rcode, found.records, asked, found.until)
        visit.decision = inspect(asker, visit.decision, visit.decided_on, answer, now)
        turned = self._turned(visit, asker, now)
        if isinstance(turned, Response):
            turned.upstream, turned.upstream_us = found.upstream, found.upstream_us
        return turned or found

    def _turned(self, visit: Visit, asker: Asker, now: float) -> Response | Lookup | None:
        """The answer of a rule that has decided after the fact; a redirect has its way from here, uninspected."""
        if (form := visit.decision.form) is None:
            return None
        denied = answer_by_policy(visit.query, visit.decision, form)
        return self._known(visit, asker, follow(asker, Lookup(visit.query), denied, now, self._draw), now)

    def _failed(self, visit: Visit, error: ResolutionError, now: float) -> Response | Lookup:
        """The answer to a query that came to nothing; rules on the answer may look at its rcode."""
        asker, response = visit.asker, failure(error)
        if asker is None or not visit.decision.waiting:
            return response
        visit.decision = inspect_failure(asker, visit.decision, visit.decided_on, Answered(error.rcode), now)
        try:
            return self._turned(visit, asker, now) or response
        except ResolutionError as another:
            return failure(another)
