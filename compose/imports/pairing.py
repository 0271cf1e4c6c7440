"""Queries and responses that come one by one -> queries with their answers, in the order in which they were asked.

Behind the readers of packets and of dnstap. Bounded: a query waits so long, and only so many wait. Must not know
packets; time is that of the capture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from compose.imports.messages import Answer, Message, MessageError, read_answer
from compose.imports.observed import Observed, template
from compose.imports.report import Report

PATIENCE_NS = 15_000_000_000
"""A query without an answer for so long stays without one; stub resolvers give up after 5 to 10 s."""
MOST_WAITING = 20_000

_Key = tuple[str, int, str, int, str, int, str, int]


@dataclass(slots=True)
class Seen:
    """A message on its way: when, between whom, and how.

    time_ns: Unix nanoseconds. where: in the input, for the report. asked_ns: when the query of a response came, where
    the input says so; 0 otherwise.
    """

    time_ns: int
    client: str
    port: int
    server: str
    server_port: int
    transport: str
    message: Message
    where: str
    asked_ns: int = 0


@dataclass(slots=True, eq=False)
class _Waiting:
    query: Seen
    key: _Key
    done: Observed | None = None


class Pairing:
    """Queries that wait for their answers.

    Args:
        report: counts what stays alone.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._line: deque[_Waiting] = deque()
        self._by_key: dict[_Key, deque[_Waiting]] = {}

    def add(self, seen: Seen) -> Iterator[Observed]:
        """Take a message in; what became certain by it comes out, oldest first."""
        message = seen.message
        yield from self._certain(seen.time_ns)
        key = (
            *(seen.client, seen.port, seen.server, seen.server_port, seen.transport),
            *(message.id, message.qname, message.qtype),
        )
        if message.answers:
            yield from self._answered(seen, key)
        else:
            waiting = _Waiting(seen, key)
            self._line.append(waiting)
            self._by_key.setdefault(key, deque()).append(waiting)
        yield from self._certain(seen.time_ns)

    def rest(self) -> Iterator[Observed]:
        """Everything that still waits, at the end of the input."""
        while self._line:
            yield self._first()

    def _answered(self, seen: Seen, key: _Key) -> Iterator[Observed]:
        try:
            answer = read_answer(seen.message)
        except MessageError as error:
            self._report.spoiled(str(error), seen.where)
            return
        waiting = self._by_key.get(key)
        if not waiting:
            self._report.unasked += 1
            yield _observed(seen, None, answer)
            return
        found = waiting.popleft()
        if not waiting:
            del self._by_key[key]
        found.done = _observed(found.query, seen, answer)

    def _certain(self, now_ns: int) -> Iterator[Observed]:
        line = self._line
        while line and (
            line[0].done is not None or now_ns - line[0].query.time_ns > PATIENCE_NS or len(line) > MOST_WAITING
        ):
            yield self._first()

    def _first(self) -> Observed:
        first = self._line.popleft()
        if first.done is not None:
            return first.done
        waiting = self._by_key[first.key]
        waiting.popleft()  # both lines are in order of arrival, so it is this one
        if not waiting:
            del self._by_key[first.key]
        self._report.unanswered += 1
        return _observed(first.query, None, None)


def _observed(asked: Seen, told: Seen | None, answer: Answer | None) -> Observed:
    """An event of a query and its response; `asked` is the response itself where the query is missing."""
    message = asked.message
    response = message if message.answers else told.message if told else None
    began_ns = asked.asked_ns or asked.time_ns
    latency_us = max(0, (told or asked).time_ns - began_ns) // 1000 if answer else 0
    sizes = (message.end if message.answers else len(message.wire), len(response.wire) if response else 0)
    made = template(
        asked.client,
        asked.transport,
        (message.qname, message.qtype, message.qclass),
        flags=response.flags if response else message.flags,
        sizes=sizes,
        answer=(answer.rcode, answer.records) if answer else None,
        ede=(answer.ede, answer.ede_text) if answer else (-1, ""),
    )
    return Observed(began_ns, min(latency_us, 2**32 - 1), 0, made)
