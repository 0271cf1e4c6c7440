"""What a rule demands beyond the query itself: a time, signals, the answer. Most rules demand nothing of that.

Compiled here, held against the world by the engine, rule by rule, when the name, type and client are right. This module
must not know how rules are ordered.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver.policy.on_answer import AnswerTest, compile_on_answer
from resolver.policy.reading import Report
from resolver.policy.schedule import Schedule, compile_schedule
from resolver.policy.signal_match import SignalTest, compile_signals
from schemas.policy_spec import Rule


@dataclass(frozen=True, slots=True)
class Conditions:
    """All of which must hold; None and empty are no condition."""

    schedule: Schedule | None
    signals: tuple[SignalTest, ...]
    answer: AnswerTest | None


def compile_conditions(rule: Rule, qtypes: frozenset[str], report: Report) -> Conditions | None:
    """The further conditions of a rule, None if it has none; what is wrong is reported and left out.

    Args:
        rule: as written.
        qtypes: the types it is for; empty for all.
        report: takes key paths below the rule.
    """
    schedule = compile_schedule(rule.schedule, ".schedule", report)
    signals = compile_signals(rule.match)
    answer = compile_on_answer(rule.match, qtypes, ".match", report)
    if answer is not None and rule.action == "route":
        report(".action", "'route' chooses who is asked, it cannot wait for the answer (match.cname, addresses, rcode)")
    return Conditions(schedule, signals, answer) if schedule or signals or answer else None
