"""What is left to look up when policy and operators' names have spoken: a question, and the way that led to it.

One of the leaves that the handler calls. It holds the order of names that need nobody else: virtual names, then
discovered ones. This module must not know caches or upstreams.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from resolver.answers.discovery import answer_discovery
from resolver.answers.local import Alias, negative
from resolver.answers.virtual import MAX_ALIASES, NEGATIVE_TTL, answer_virtual, too_many_aliases
from resolver.chain import flatten, prepend
from resolver.errors import Rcode, ResponseError, UpstreamError
from resolver.names import name_wire
from resolver.policy.targets import Draw
from resolver.query import Query, Response
from resolver.tenants import Asker

_SOA_TTL_AT = 6
"""Where a local SOA's TTL stands in its body: behind a pointer, type and class."""


@dataclass(slots=True, frozen=True)
class Lookup:
    """A question and the way to it.

    Args:
        query: what to ask; the client's own query unless aliases led elsewhere.
        steps: aliases passed, each with the query it led away from and the question it led to.
    """

    query: Query
    steps: tuple[tuple[Alias, Query, bytes], ...] = ()

    def past(self, alias: Alias) -> Lookup:
        """The lookup one alias further."""
        question = name_wire(alias.target) + self.query.question[-4:]
        return Lookup(
            replace(self.query, qname=alias.target, question=question), (*self.steps, (alias, self.query, question))
        )

    def arrive(self, answer: Response, now: float) -> Response:
        """The answer to the client's own question: the way, then what was found at its end. `now`: Unix seconds.

        Raises:
            UpstreamError: if what was found holds names that cannot be read.
        """
        try:
            return self._arrive(answer, now)
        except ResponseError as error:
            raise UpstreamError(str(error), upstream=answer.upstream, elapsed_us=answer.upstream_us) from error

    def _arrive(self, answer: Response, now: float) -> Response:
        for alias, query, question in reversed(self.steps):
            if alias.flat < 0:
                answer = prepend(alias.chain, question, answer, now)
            else:
                answer = _flattened(alias, query, flatten(query, question, answer, alias.flat, now))
            answer.valid_until = min(answer.valid_until, alias.valid_until)
            if alias.ede >= 0:
                answer.ede, answer.ede_text = alias.ede, alias.ede_text
        return answer


def _flattened(alias: Alias, query: Query, answer: Response) -> Response:
    """A virtual name exists whatever becomes of its target: where that has nothing to say, it is NODATA."""
    if answer.records or answer.rcode not in {Rcode.NOERROR, Rcode.NXDOMAIN}:
        return answer
    ttl = min(alias.flat, NEGATIVE_TTL) if answer.born is None else min(answer.lifetime, NEGATIVE_TTL)
    nodata = negative(answer.source, Rcode.NOERROR, query, ttl)
    return replace(
        answer, rcode=nodata.rcode, body=nodata.body, counts=nodata.counts, ends=nodata.ends,
        ttl_offsets=(_SOA_TTL_AT,), lifetime=ttl,
    )  # fmt: skip


def answer_named(asker: Asker, query: Query, now: float, draw: Draw) -> Response | Alias | None:
    """What operators say about a name: a virtual name goes before a discovered one. Arguments as of answer_virtual."""
    return answer_virtual(asker, query, now, draw) or answer_discovery(asker, query)


def follow(asker: Asker, start: Lookup, found: Response | Alias | None, now: float, draw: Draw) -> Response | Lookup:
    """Go on from what policy or operators' names said until there is an answer or a question for others.

    A redirect may lead to a virtual name, which may lead to others, to services and outside. Arguments as of
    answer_virtual.
    """
    lookup = start
    while isinstance(found, Alias):
        if len(lookup.steps) > MAX_ALIASES:
            return too_many_aliases()
        lookup = lookup.past(found)
        found = answer_named(asker, lookup.query, now, draw)
    return lookup if found is None else lookup.arrive(found, now)
