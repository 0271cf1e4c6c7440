"""How the denials and redirects of rules are answered, compiled.

Finds everything that can be wrong in a rule's `answer`. This module must not know how rules are matched, or how answers
are built.
"""

from __future__ import annotations

import ipaddress

from resolver.policy.decision import NO_EDE, AnswerForm
from resolver.policy.patterns import PatternError, canonical_name
from resolver.policy.reading import Report
from schemas.policy_spec import Answer

_BLOCKED, _FORGED_ANSWER = 15, 4  # RFC 8914 section 4
DEFAULT_DENY = AnswerForm("nxdomain", ede=_BLOCKED)


def compile_form(action: str, answer: Answer, report: Report) -> AnswerForm | None:
    """How a rule with this action answers, None if it gives no answer of its own; what is wrong is reported.

    Args:
        action: of the rule.
        answer: as written.
        report: takes key paths below the rule.
    """
    if action not in {"deny", "redirect"} and answer != Answer():
        report(".answer", f"only actions deny and redirect take an answer, this rule's action is {action}")
    if action == "redirect":
        return AnswerForm("cname", (), _target(answer, report), answer.ttl, answer.ede or _FORGED_ANSWER)
    if action != "deny":
        return None
    if answer.target:
        report(".answer.target", "only action redirect takes a target")
    if answer.form == "addresses":
        return AnswerForm("addresses", _addresses(answer, report), "", answer.ttl, answer.ede or _FORGED_ANSWER)
    if answer.addresses:
        report(".answer.addresses", f"addresses need form: addresses, the form is {answer.form}")
    ede = NO_EDE if answer.form == "drop" else answer.ede or _BLOCKED
    return AnswerForm(answer.form, (), "", answer.ttl, ede)


def _target(answer: Answer, report: Report) -> str:
    if answer.form != "nxdomain" or answer.addresses:
        report(".answer", "action redirect takes a target only (form and addresses belong to action deny)")
    if not answer.target:
        report(".answer.target", "action redirect needs the name to redirect to")
        return ""
    try:
        return canonical_name(answer.target)
    except PatternError as error:
        report(".answer.target", f"expected a domain name, got {answer.target!r}: {error}")
        return ""


def _addresses(answer: Answer, report: Report) -> tuple[str, ...]:
    if not answer.addresses:
        report(".answer.addresses", "form addresses needs at least one address")
    addresses = []
    for place, text in enumerate(answer.addresses):
        try:
            addresses.append(str(ipaddress.ip_address(text)))
        except ValueError:
            report(f".answer.addresses[{place}]", f"expected an IPv4 or IPv6 address, got {text!r}")
    return tuple(addresses)
