"""Why a client would get the answer it would get: every rule considered, the verdict, the place the answer comes from.

The same leaves as the path calls, in the same order, but nothing is asked, kept or published. This module must not
know HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from resolver.answers.cached import answer_cached
from resolver.answers.local import Alias
from resolver.answers.lookup import Lookup, answer_named, follow
from resolver.answers.policy import answer_by_policy, minimal_any
from resolver.answers.search import search_for
from resolver.cache import Caches
from resolver.errors import NoUpstreamError, Rcode, RefusedError, ResolutionError
from resolver.mnemonics import rcode_name
from resolver.policy.decision import Decision
from resolver.policy.discovery_story import explain_discovery
from resolver.policy.engine import decide, inspect
from resolver.policy.explanation import Asked, explain
from resolver.policy.on_answer import Answered
from resolver.policy.targets import explain_targets
from resolver.posed import asker_of, question
from resolver.query import Query, Response
from resolver.tenants import PLAIN, Arrival, Asker, Compiled

_ANY = 255
_TRANSPORTS = ("udp", "tcp", "tls", "https")
_KEYS = ("client", "name", "type", "transport", "listener", "tenant")
_MISSING = rcode_name(Rcode.NXDOMAIN)


def _no_luck() -> float:
    """In place of a random number: an explanation shows the first of the targets that chance decides between."""
    return 0.0


def explained_request(compiled: Compiled, caches: Caches, asked: Mapping[str, str], now: float) -> dict[str, Any]:
    """The story of one query that is asked for by keys: name; client or tenant; type, transport, listener.

    Raises:
        ValueError: if a key is missing or unknown, or what it says cannot be.
    """
    unknown = sorted(asked.keys() - _KEYS)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}, expected {', '.join(_KEYS)}")
    required = ("name",) if asked.get("tenant") else ("client", "name")
    missing = [key for key in required if not asked.get(key)]
    if missing:
        usage = "/explain?client=IP&name=NAME[&type=A][&transport=udp]"
        raise ValueError(f"{' and '.join(missing)} must be given: {usage}")
    return explained(
        compiled,
        caches,
        asked.get("client", ""),
        question(asked["name"], asked.get("type", "A")),
        transport=asked.get("transport", "udp"),
        now=now,
        arrival=Arrival(asked.get("listener", "")),
        tenant=asked.get("tenant", ""),
    )


def explained(
    compiled: Compiled,
    caches: Caches,
    client: str,
    query: Query,
    *,
    transport: str,
    now: float,
    arrival: Arrival = PLAIN,
    tenant: str = "",
) -> dict[str, Any]:
    """The story of one query, as JSON can hold it.

    Args:
        compiled: the policy in force.
        caches: what is remembered; nothing is added.
        client: who would ask, see asker_of.
        query: what it would ask.
        transport: udp, tcp, tls or https.
        now: Unix seconds.
        arrival: what else is known of the client, such as the listener it would come in by.
        tenant: of the client; where its address says it, it must be this one.

    Raises:
        ValueError: if the client is neither address nor labels, or of another tenant, or the transport none.
    """
    if transport not in _TRANSPORTS:
        raise ValueError(f"transport {transport!r} is none of {', '.join(_TRANSPORTS)}")
    story: dict[str, Any] = {
        "client": client,
        "name": query.qname,
        "type": query.qtype_name,
        "transport": transport,
        "policy_version": compiled.version,
        "policy_epoch": compiled.epoch,
    }
    asker = asker_of(compiled, client, tenant, arrival)
    if asker is None:
        refused = "no tenant claims this client"
        return story | {
            "tenant": "",
            "verdict": "deny",
            "rcode": rcode_name(RefusedError.rcode),
            "answer_source": "policy",
            "why": refused,
            "rules": [],
        }
    query, tried = _searched(asker, caches, query, transport, now)
    decision, told, answer = _decided(asker, caches, query, transport, now)
    asked = Asked(asker, query.qname, query.qtype_name, transport, now, answer)
    considered = [asdict(item) for item in explain(asked, decision)]
    return story | {
        "tenant": asker.tenant.name,
        "workload": asker.workload,
        "labels": dict(asker.labels),
        "verdict": decision.verdict,
        "rule": decision.rule,
        "tier": decision.tier,
        "tags": list(decision.tags),
        "log": decision.log,
        "audits": [asdict(audit) for audit in decision.audits],
        "rules": considered,
        "search": tried,
        "waits_for_answer": bool(decision.waiting),
        "virtual": explain_targets(asker, query.qname, now) if decision.form is None else [],
        "discovery": explain_discovery(asker, query.qname, compiled.services) if decision.form is None else {},
        **told,
    }


def _searched(
    asker: Asker, caches: Caches, query: Query, transport: str, now: float
) -> tuple[Query, list[dict[str, Any]]]:
    """The name that a search for this one comes to, as far as that is known without asking; and every name tried."""
    search = search_for(asker.tenant.search, query) if asker.tenant.search else None
    if search is None:
        return query, []
    tried: list[dict[str, Any]] = []
    denied: Query | None = None
    for one in (lookup.query for lookup in search.tries):
        decision, answer, _ = _decided(asker, caches, one, transport, now)
        found = {key: answer.get(key, "") for key in ("answer_source", "rcode", "ede_text")}
        tried.append({"name": one.qname, "verdict": decision.verdict, "rule": decision.rule, **found})
        unasked = asker.tenant.upstream_for(one.qname, decision.route) is None
        if found["rcode"] != _MISSING and not (found["answer_source"] == "error" and unasked):
            return one, tried
        denied = denied or (one if decision.form is not None else None)
    return denied or query, tried


def _decided(
    asker: Asker, caches: Caches, query: Query, transport: str, now: float
) -> tuple[Decision, dict[str, Any], Answered | None]:
    """The decision, with the answer seen if it is at hand; where the answer comes from; the answer that was seen."""
    decision = decide(asker, query.qname, query.qtype_name, transport, now)
    told, answer = _answer(asker, caches, decision, query, now)
    if answer is not None:
        decision = inspect(asker, decision, query.qname, answer, now)
        told = _answer(asker, caches, decision, query, now)[0] if decision.form is not None else told
    return decision, told, answer


def _answer(
    asker: Asker, caches: Caches, decision: Decision, query: Query, now: float
) -> tuple[dict[str, Any], Answered | None]:
    """Where the answer comes from; and the answer, if it is at hand and rules may still look at it."""
    asked = ""
    try:
        found = follow(asker, Lookup(query), _local(asker, decision, query, now), now, _no_luck)
        if isinstance(found, Lookup):
            asked = found.query.qname
            group = asker.tenant.upstream_for(asked, decision.route)
            if group is None:
                raise NoUpstreamError
            cached = answer_cached(caches, asker.tenant, group, found.query, now)
            if cached is None:
                return {
                    "answer_source": "upstream",
                    "asked": asked,
                    "upstream_group": group.name,
                    "upstreams": [server.url for server in group.servers],
                }, None
            found = found.arrive(cached, now)
    except ResolutionError as error:
        return {
            "answer_source": "error",
            "rcode": rcode_name(error.rcode),
            "ede": int(error.ede),
            "ede_text": error.ede_text,
        }, None
    answer = Answered(found.rcode, found.records, asked, found.until) if decision.form is None else None
    return _told(found), answer


def _local(asker: Asker, decision: Decision, query: Query, now: float) -> Response | Alias | None:
    if decision.form is not None:
        return answer_by_policy(query, decision, decision.form)
    return minimal_any(query) if query.qtype == _ANY else answer_named(asker, query, now, _no_luck)


def _told(found: Response) -> dict[str, Any]:
    return {
        "answer_source": found.source,
        "rcode": rcode_name(found.rcode),
        "ede": int(found.ede),
        "ede_text": found.ede_text,
        "answers": [record._asdict() for record in found.records],
    }
