"""What policy_shift says: the finding about a verdict that moved, those about rules in audit mode.

Must not know when a comparison begins and ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.detection_spec import PolicyShiftSpec
from schemas.objects import Severity
from streams.detectors.finding import Finding
from streams.detectors.verdict_mix import VERDICTS, Change, Key, Mix

NAME = "policy_shift"
PANE = 10


def shifted(change: Change, after: Mix, mine: PolicyShiftSpec, pane: int) -> Iterable[Finding]:
    """The verdict that moved furthest, if one moved far enough."""
    moved = {verdict: change.compare(after, verdict) for verdict in VERDICTS}
    beyond = [
        verdict for verdict, (before, now, z) in moved.items() if abs(now - before) >= mine.floor and abs(z) > mine.z
    ]
    if not beyond:
        return
    worst = max(beyond, key=lambda verdict: abs(moved[verdict][1] - moved[verdict][0]))
    before, now, z = moved[worst]
    rules = _rules(change.before, after)
    top: Key = max(rules, key=lambda key: (abs(rules[key][1] - rules[key][0]), key))
    severity: Severity = "medium" if abs(now - before) >= mine.medium else "low"
    name = top[2] or "no rule (the default)"
    shares = {
        f"{verdict}_{when}": round(moved[verdict][index], 3)
        for verdict in VERDICTS
        for index, when in enumerate(("before", "after"))
    }
    yield Finding(
        detector=NAME,
        subject="policy",
        severity=severity,
        reason=f"{worst} went from {before:.0%} to {now:.0%} of the queries, {abs(z):.1f} deviations; "
        f"most of it by {name}: {rules[top][0]:.0%} to {rules[top][1]:.0%} {top[1]}",
        title=f"Policy version {change.version} changed {worst} from {before:.0%} to {now:.0%} of the queries",
        seen=_end(pane),
        evidence={
            "version": change.version,
            "verdict": worst,
            **shares,
            "z": round(z, 1),
            "z_threshold": mine.z,
            "floor": mine.floor,
            "scatter": round(change.scatter[worst], 2),
            "queries_before": change.before.queries,
            "queries_after": after.queries,
            "rule": name,
            "rule_verdict": top[1],
            "rule_before": round(rules[top][0], 3),
            "rule_after": round(rules[top][1], 3),
            "learning": "active",
        },
        samples=after.names_of(top[1], top[2]),
    )


def _end(pane: int) -> float:
    """Event time, Unix seconds, at which a pane ends."""
    return float((pane + 1) * PANE)


def _rules(before: Mix, after: Mix) -> dict[Key, tuple[float, float]]:
    """Share of the queries each (verdict, rule) decided, before and after."""
    old, new = before.by_rule(), after.by_rule()
    return {
        ("", *key): (old.get(key, 0) / max(before.queries, 1), new.get(key, 0) / max(after.queries, 1))
        for key in {*old, *new}
    }


def audited(change: Change, after: Mix, mine: PolicyShiftSpec, pane: int) -> Iterable[Finding]:
    """Rules in audit mode that would have denied much."""
    least = mine.audit_share
    for rule, number in sorted(after.audits().items()):
        share = number / after.queries
        if share >= least:
            yield Finding(
                detector=NAME,
                subject=f"audit {rule}",
                severity="info",
                reason=f"{number} of {after.queries} queries since version {change.version}",
                title=f"Rule {rule} is in audit mode and would have denied {share:.0%} of the queries",
                seen=_end(pane),
                evidence={
                    "version": change.version,
                    "rule": rule,
                    "share": round(share, 3),
                    "threshold": least,
                    "would_deny": number,
                    "queries": after.queries,
                },
            )
