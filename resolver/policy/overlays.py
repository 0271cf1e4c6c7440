"""What streams ask for, as rules: the entries of a tenant's overlay, as far as its feedback settings let them.

This module must not know how rules are looked up or decided, or why an entry was written.
"""

from __future__ import annotations

from typing import Literal

from resolver.policy.forms import DEFAULT_DENY
from resolver.policy.reading import parse_patterns
from resolver.policy.rules import TIERS, CompiledRule
from schemas.signals import Overlay, OverlayEntry
from schemas.tenant_spec import Feedback

_MODES = ("off", "tag", "audit", "enforce")
_SEVERITIES = ("info", "low", "medium", "high", "critical")


def compile_overlay(overlay: Overlay, feedback: Feedback) -> tuple[CompiledRule, ...]:
    """An overlay's entries as far as the tenant's feedback settings let them: the severest and newest first.

    An entry without a pattern that can be read is left out: it must not come to mean every name. The streams that wrote
    them keep to the same settings; a tenant that has just tightened them need not wait.
    """
    ranked = sorted(overlay.entries, key=lambda entry: (-_SEVERITIES.index(entry.severity), -entry.created.timestamp()))
    latest = overlay.changed.timestamp() + feedback.max_duration_s
    rules = [rule for entry in ranked if (rule := _entry_rule(entry, feedback, latest)) is not None]
    return tuple(rules[: feedback.max_entries])


def _entry_rule(entry: OverlayEntry, feedback: Feedback, latest: float) -> CompiledRule | None:
    allowed = feedback.detectors.get(entry.detector, feedback.mode)
    mode = min(allowed, "tag" if entry.action == "tag" else entry.mode, key=_MODES.index)
    action: Literal["deny", "tag"] = "tag" if mode == "tag" else "deny"
    if mode == "off" or _SEVERITIES.index(entry.severity) < _SEVERITIES.index(feedback.min_severity):
        return None
    patterns = parse_patterns([entry.pattern], "", lambda *_: None)
    if not patterns:
        return None
    return CompiledRule(
        order=(TIERS.index("overlay"), 0, entry.id, 0),
        name=f"overlay/{entry.id}",
        tier="overlay",
        action=action,
        patterns=patterns,
        form=DEFAULT_DENY if action == "deny" else None,
        tag=entry.detector if action == "tag" else "",
        audit=mode == "audit",
        expires=min(entry.expires.timestamp(), latest),
    )
