"""A tenant's search list at work: which names to try for one query, in which order, and which answer is the one.

One of the leaves that the handler calls, around all others: every expansion takes the whole path, policy included, and
the name as asked comes last, as in a stub resolver. The first that exists wins, be it without records of that type. A
failure ends the search, for nobody can say that the name it was about does not exist. This module must not know how
one name is looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

from resolver.answers.local import QNAME_POINTER, Alias, absolute
from resolver.answers.lookup import Lookup
from resolver.answers.virtual import OF_ITS_OWN
from resolver.errors import NoUpstreamError, Rcode, SearchError
from resolver.names import name_wire, text_labels
from resolver.policy.decision import Decision
from resolver.policy.search import SearchList
from resolver.query import Query, Record, Response

MOST_QUESTIONS = 8
"""Most questions to upstream in one search; what was answered is remembered, so that the client's next try goes on."""
TTL = 30
"""Of the CNAME from the name asked to the name found."""
_LONGEST = 255


@dataclass(slots=True)
class Search:
    """One query's search.

    Attributes:
        tries: what to look up, in order; the name as asked is the last.
        place: of the try that is on.
    """

    tries: list[Lookup]
    place: int = 0
    _asked: int = 0
    _until: float = inf
    _denied: tuple[Decision, Response] | None = field(default=None)

    @property
    def lookup(self) -> Lookup:
        """The try that is on."""
        return self.tries[self.place]

    @property
    def last(self) -> bool:
        """Whether it is the name as asked."""
        return self.place == len(self.tries) - 1

    def count_question(self) -> None:
        """Upstream is asked once more.

        Raises:
            SearchError: if it was asked often enough.
        """
        if self._asked == MOST_QUESTIONS:
            raise SearchError
        self._asked += 1

    def settle(self, decision: Decision, found: Response) -> tuple[Decision, Response] | None:
        """Take the answer to a try: what to answer, or None if the next one is on.

        A denial that looks like a name error is passed over as one. If nothing else is found the answer is this denial,
        so that its EDE and event say so.
        """
        if found.rcode == Rcode.NXDOMAIN:
            if decision.form is not None and self._denied is None:
                self._denied = decision, found
            if not self.last:
                self._until = min(self._until, decision.valid_until, found.valid_until, _end(found))
                self.place += 1
                return None
            decision, found = self._denied or (decision, found)
        return decision, replace(found, valid_until=min(found.valid_until, self._until))


class Deciding(Protocol):
    """Whose query it is: its decision is that of the name tried last."""

    decision: Decision


def run(
    search: Search, visit: Deciding, tried: Callable[[Lookup], Response | Lookup], found: Response | None = None
) -> Response | Lookup:
    """Try one name after the other, until there is an answer or a question for upstream.

    Args:
        search: where it stands.
        visit: whose decision follows.
        tried: takes a name the whole way.
        found: the answer to the one that is on, if it has been asked for.
    """
    while True:
        try:
            answer = found or tried(search.lookup)
        except NoUpstreamError:
            if search.last:
                raise
            answer = Response(Rcode.NXDOMAIN, "error")  # nobody there could say that it exists
        if isinstance(answer, Lookup):
            return answer
        settled = search.settle(visit.decision, answer)
        if settled is not None:
            visit.decision, answer = settled
            return answer
        found = None


def search_for(search: SearchList, query: Query) -> Search | None:
    """The search for a query, None where the name has dots enough or the type is none to search for."""
    labels = text_labels(query.qname)
    if not 0 < len(labels) <= search.ndots or query.qtype_name in OF_ITS_OWN:
        return None
    tries = [_expanded(query, suffix) for suffix in search.suffixes]
    return Search([*(lookup for lookup in tries if len(lookup.query.question) - 4 <= _LONGEST), Lookup(query)])


def _expanded(query: Query, suffix: str) -> Lookup:
    """The client's letter case stays, as in every question that goes upstream."""
    name = f"{query.qname}.{suffix}"
    question = query.question[:-5] + name_wire(suffix) + query.question[-4:]
    record = Record(query.qname, "CNAME", absolute(name), TTL)
    alias = Alias(((QNAME_POINTER, record),), name, "search")
    return Lookup(replace(query, qname=name, question=question), ((alias, query, question),))


def _end(found: Response) -> float:
    return inf if found.born is None else found.born + found.lifetime
