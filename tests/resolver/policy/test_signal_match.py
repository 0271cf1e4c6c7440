"""Rules on context signals: which subjects count, which values, and until when a decision on them is good."""

from __future__ import annotations

import pytest

from resolver.policy.engine import decide
from resolver.tenants import identify
from schemas.signals import ContextSignal
from tests.resolver.policy.test_explanation import signalled
from tests.resolver.policy.written import BACKEND, FRONTEND, NOW, rules, signal, tenant

RISK = "signal: [{kind: client_risk, values: [high, critical]}]"
SUBJECTS = [
    # (condition, signal, query name, client, does the rule match)
    (RISK, signal("client_risk", FRONTEND, "high"), "a.test", FRONTEND, True),
    (RISK, signal("client_risk", FRONTEND, "high"), "a.test", f"::ffff:{FRONTEND}", True),
    (RISK, signal("client_risk", FRONTEND, "high"), "a.test", BACKEND, False),
    (RISK, signal("client_risk", "frontend", "critical"), "a.test", FRONTEND, True),
    (RISK, signal("client_risk", "frontend", "critical"), "a.test", BACKEND, False),
    (RISK, signal("client_risk", FRONTEND, "low"), "a.test", FRONTEND, False),
    (RISK, signal("other", FRONTEND, "high"), "a.test", FRONTEND, False),
    (RISK, signal("client_risk", FRONTEND, "high", tenant=""), "a.test", FRONTEND, True),
    (RISK, signal("client_risk", FRONTEND, "high", tenant="globex"), "a.test", FRONTEND, False),
    ("signal: [{kind: client_risk}]", signal("client_risk", FRONTEND, "low"), "a.test", FRONTEND, True),
    ("signal: [{kind: other}, {kind: client_risk}]", signal("client_risk", FRONTEND, "low"), "a.test", FRONTEND, True),
    ("newlyObserved: true", signal("newly_observed", "fresh.test", "1"), "fresh.test", BACKEND, True),
    ("newlyObserved: true", signal("newly_observed", "fresh.test", "1"), "a.b.fresh.test", BACKEND, True),
    ("newlyObserved: true", signal("newly_observed", "a.fresh.test", "1"), "fresh.test", BACKEND, False),
    (f"newlyObserved: true, {RISK}", signal("newly_observed", "fresh.test", "1"), "fresh.test", FRONTEND, False),
]


@pytest.mark.parametrize(("condition", "held", "qname", "client", "matches"), SUBJECTS)
def test_which_signals_count(condition: str, held: ContextSignal, qname: str, client: str, matches: bool) -> None:
    """A signal of the tenant, or of all, about the name, a domain above it, the client or its workload, with such a value."""
    policy = signalled(tenant() + tenant("globex", 2) + rules(f"name: d, action: deny, match: {{{condition}}}"), held)
    asker = identify(policy, client)
    assert asker is not None
    decision = decide(asker, qname, "A", "udp", NOW)
    assert decision.verdict == ("deny" if matches else "allow")
    assert decision.valid_until == (NOW + 600 if matches else float("inf"))


def test_a_decision_on_signals_is_good_until_all_have_ended() -> None:
    """Of several signals that each suffice the last one counts; what has ended by its clock no longer holds."""
    policy = signalled(
        tenant() + rules(f"name: d, action: deny, match: {{{RISK}}}"),
        signal("client_risk", FRONTEND, "high", life=60),
        signal("client_risk", "frontend", "high", life=90),
    )
    asker = identify(policy, FRONTEND)
    assert asker is not None
    verdicts = [decide(asker, "a.test", "A", "udp", NOW + after) for after in (0, 60, 90)]
    assert [(decision.verdict, decision.valid_until) for decision in verdicts] == [
        ("deny", NOW + 90),
        ("deny", NOW + 90),
        ("allow", float("inf")),
    ]
