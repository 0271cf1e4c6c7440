"""The end of the path: the answer on the wire, what the fast path and egress rules learn of it; then one event.

The handler comes here with every answer, whoever gave it. This module must not know how an answer is found.
"""

from __future__ import annotations

from collections.abc import Callable

from resolver.bindings import Bindings, learn
from resolver.buffer import Offer
from resolver.event import Visit, template_of
from resolver.fastpath import FastPath
from resolver.query import Response
from resolver.wire import encode_response, limit_of

_REPEATABLE = frozenset({"policy", "virtual", "discovery", "cache", "stale"})
"""Sources of answers that the fast path may repeat."""


class Rendering:
    """Renders answers and tells of them.

    Args:
        offer: takes the event of a query, when its answer is ready.
        fastpath: is told of answers it may repeat.
        bindings: notes which addresses were learnt, for tenants whose connections follow names.
        show: how a client appears in events: (privacy setting, address) -> text.
        clock: Unix time in nanoseconds.
    """

    __slots__ = ("_bindings", "_clock", "_fastpath", "_offer", "_show")

    def __init__(
        self,
        offer: Offer,
        fastpath: FastPath,
        bindings: Bindings,
        show: Callable[[str, str], str],
        clock: Callable[[], int],
    ) -> None:
        self._offer, self._fastpath, self._bindings, self._show, self._clock = offer, fastpath, bindings, show, clock

    def finish(self, visit: Visit, response: Response, now_ns: int) -> bytes | None:
        """The answer as bytes, None where none is to be sent; with it ready, one event.

        Args:
            visit: the query and what was decided.
            response: the answer.
            now_ns: Unix nanoseconds.
        """
        query, asker, now = visit.query, visit.asker, now_ns / 1e9
        limit = limit_of(query, visit.transport)
        wire = None if response.source == "none" else encode_response(query, response, now=now, limit=limit)
        age = max(0, int(now - response.born)) if response.born is not None else 0
        shown = self._show(asker.tenant.privacy if asker else "clear", visit.address)
        template = template_of(visit, response, wire, shown=shown, age=age)
        if wire and asker is not None and asker.tenant.egress:
            visit.again = learn(self._bindings, asker, query.qname, response.records, now=now, age=age)
        if wire and visit.transport == "udp" and response.source in _REPEATABLE:
            self._fastpath.admit(visit, response, wire, template, limit)
        latency_us = min(max(0, self._clock() - visit.received_ns) // 1000, 2**32 - 1)
        self._offer(template, visit.received_ns, latency_us, response.upstream_us)
        return wire
