"""What is left to look up when policy and virtual names have spoken: a question, and the CNAMEs that led to it.

One of the leaves that the handler calls. This module must not know caches or upstreams.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from resolver.answers.local import Alias
from resolver.answers.virtual import answer_virtual
from resolver.chain import prepend
from resolver.names import name_wire
from resolver.query import Query, Response
from resolver.tenants import TenantView


@dataclass(slots=True, frozen=True)
class Lookup:
    """A question and the way to it.

    Args:
        query: what to ask; the client's own query unless aliases led elsewhere.
        steps: aliases passed, each with the question it led to.
    """

    query: Query
    steps: tuple[tuple[Alias, bytes], ...] = ()

    def arrive(self, answer: Response) -> Response:
        """The answer to the client's own question: the aliases passed, then what was found at the end."""
        for alias, question in reversed(self.steps):
            answer = prepend(alias.chain, question, answer)
            if alias.ede >= 0:
                answer.ede, answer.ede_text = alias.ede, alias.ede_text
        return answer


def follow(tenant: TenantView, query: Query, found: Response | Alias | None) -> Response | Lookup:
    """Go on from what policy or virtual names said until there is an answer or a question for others.

    A redirect may lead to a virtual name, which may lead outside; a virtual alias never ends on a virtual name.
    """
    lookup = Lookup(query)
    while isinstance(found, Alias):
        asked = replace(query, qname=found.target, question=name_wire(found.target) + query.question[-4:])
        lookup = Lookup(asked, (*lookup.steps, (found, asked.question)))
        found = answer_virtual(tenant, asked)
    return lookup if found is None else lookup.arrive(found)
