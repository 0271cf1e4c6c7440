"""A rule with action rpz, asked: what the zones it names say of a query, as verdict and form of an answer.

Between engine.py (and explanation.py) and rpz.py, which knows who wins. This module must not know other rules.
"""

from __future__ import annotations

from typing import NamedTuple

from resolver.policy.decision import AnswerForm
from resolver.policy.on_answer import Answered
from resolver.policy.patterns import suffixes
from resolver.policy.record_addresses import addresses_of
from resolver.policy.rpz import PASSTHRU, TCP_ONLY, Found, Zone, find_before, find_on_answer, must_wait
from resolver.policy.rules import CompiledRule
from resolver.tenants import Asker

_TRUNCATED = AnswerForm("truncated")


class Zoned(NamedTuple):
    """What zones say: ``allow``, ``deny`` or ``redirect`` ("" for nothing), how to answer, and why, for people.

    waits: a zone may still speak when the addresses of the answer are known.
    """

    verdict: str
    form: AnswerForm | None
    why: str
    waits: bool = False


def ask_zones(
    rule: CompiledRule, asker: Asker, names: list[str], answer: Answered | None, *, stream: bool
) -> Zoned:
    """What a rule's zones say of a query.

    Args:
        rule: with action rpz.
        asker: who asks.
        names: what is asked, as its suffixes; what was asked before a search suffix was put behind it counts too.
        answer: what was found; None as long as nothing is known of it.
        stream: the query came over TCP or TLS, where no answer need be cut off.
    """
    labels = [name for name in rule.sets if getattr(asker.sets.get(name), "rpz", None) is not None]
    zones: list[Zone] = [asker.sets[name].rpz for name in labels]
    found = _before(zones, asker, names)
    if answer is not None:
        targets = (record.data.lower().removesuffix(".") for record in answer.records if record.type == "CNAME")
        addresses = [(address.version, int(address)) for address in addresses_of(answer.records)]
        found = find_on_answer(zones, [suffixes(target) for target in targets if target], addresses, found)
    elif must_wait(zones, found):
        return Zoned("", None, "a CNAME target or an address that a zone has a trigger for", waits=True)
    if found is None:
        return Zoned("", None, f"no trigger of {', '.join(rule.sets)} is for it")
    why = f"{found.trigger} trigger of {labels[found.place]}: {found.action.kind}"
    kind = found.action.kind
    if kind == PASSTHRU or (kind == TCP_ONLY and stream):
        return Zoned("allow", None, why)
    form = _TRUNCATED if kind == TCP_ONLY else found.action.form(names[0])
    return Zoned("redirect" if kind == "cname" else "deny", form, why)


def _before(zones: list[Zone], asker: Asker, names: list[str]) -> Found | None:
    forms = [names]
    if asker.tenant.search:
        forms += [suffixes(bare) for bare in asker.tenant.search.without(names[0])]
    found = [hit for form in forms if (hit := find_before(zones, form, asker.version, asker.number))]
    return min(found, key=lambda hit: hit.place, default=None)
