"""What the policy engine says about one query: the verdict, the form of the answer, and what it recorded on the way.

Values only, made by engine.py and read by the handler. This module must not know rules, wire formats or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

NO_EDE = -1


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """How a deny or a redirect is answered.

    Attributes:
        form: ``nxdomain`` (with SOA), ``nodata``, ``refused``, ``drop``, ``addresses`` (a sinkhole), ``records``
            (local data), ``cname`` (of a redirect) or ``truncated`` (come again over TCP).
        addresses: for form addresses, in presentation format, both families mixed.
        target: for form cname, lower case without final dot.
        ttl: seconds, of the records and of the SOA.
        ede: RFC 8914 code, NO_EDE (-1) for none.
        records: for form records, type and data.
    """

    form: str
    addresses: tuple[str, ...] = ()
    target: str = ""
    ttl: int = 30
    ede: int = NO_EDE
    records: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """What a rule in audit mode would have done. The tenant's default in audit mode has an empty rule."""

    rule: str
    verdict: str
    tier: str


@dataclass(slots=True, unsafe_hash=True)
class Decision:
    """The verdict on one query; nobody changes it (not frozen, since that doubles the price of making one).

    Attributes:
        verdict: ``allow``, ``deny`` or ``redirect``.
        rule: ``object/rule``; empty when the tenant's default decided.
        tier: ``platform``, ``overlay``, ``tenant``, ``baseline`` or ``default``.
        form: how to answer; None for allow.
        audits: rules in audit mode that matched before the verdict, in order.
        tags: tags of matching rules, in order, without repetition; ``log`` where a rule asked to log.
        log: a matching rule asked to log.
        route: name of the tenant's upstream group to use; empty for the choice by suffix.
        ede_text: text of the Extended DNS Error; empty for allow.
        valid_until: Unix seconds from which the same query may be decided differently under the same policy epoch.
        waiting: rules that the answer is still to be held against (see engine.inspect), opaque to everyone else; empty
            when the verdict stands. While they wait the verdict is allow, so that there is an answer to look at.
        stream: while they wait: the query came over TCP or TLS, where no answer need be cut off.
    """

    verdict: str
    rule: str = ""
    tier: str = "default"
    form: AnswerForm | None = None
    audits: tuple[Audit, ...] = ()
    tags: tuple[str, ...] = ()
    log: bool = False
    route: str = ""
    ede_text: str = ""
    valid_until: float = inf
    waiting: tuple[Any, ...] = ()
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Considered:
    """One line of an explanation: a rule, whether it matched, why (not), and what came of it.

    outcome: ``verdict``, ``audit``, ``continue``, ``pass``; ``skip`` where the rule did not match; ``waits`` where that
    depends on the answer, which is not known.
    """

    rule: str
    tier: str
    matched: bool
    why: str
    outcome: str
