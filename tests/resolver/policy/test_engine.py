"""Decisions on queries: tiers, priorities, actions, audit, conditions, expiry."""

from __future__ import annotations

from math import inf

import pytest

from resolver.policy.decision import AnswerForm, Audit
from tests.resolver.policy.written import BACKEND, FRONTEND, NOW, ask, compiled, entry, overlay, rules, tenant

NO_COM = """
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: frontend-no-com}
spec:
  tier: tenant
  tenants: [acme]
  priority: 100
  rules:
  - name: no-com
    clients: {matchLabels: {app: frontend}}
    match: {qname: ["*.com"]}
    action: deny
    log: true
---
"""


def test_the_example_of_the_design() -> None:
    """The frontend is denied *.com, the request is marked for the log; another workload and another name pass."""
    policy = compiled(tenant() + NO_COM)
    decision = ask(policy, "www.example.com", client=FRONTEND)
    assert (decision.verdict, decision.rule, decision.tier) == ("deny", "frontend-no-com/no-com", "tenant")
    assert decision.form == AnswerForm("nxdomain", ttl=30, ede=15)
    assert (decision.log, decision.tags, decision.ede_text) == (True, ("log",), "frontend-no-com/no-com")
    assert ask(policy, "www.example.com", client=BACKEND).verdict == "allow"
    assert ask(policy, "www.example.org", client=FRONTEND).verdict == "allow"


def test_the_tenants_default() -> None:
    """Where no rule ends, the default does, and says so."""
    assert ask(compiled(tenant()), "a.test").verdict == "allow"
    decision = ask(compiled(tenant(default="deny")), "a.test")
    assert (decision.verdict, decision.rule, decision.tier) == ("deny", "", "default")
    assert decision.form == AnswerForm("nxdomain", ede=15)


ALL = tuple(rules("name: r, action: deny", name=tier, tier=tier) for tier in ("baseline", "tenant", "platform"))


def test_order_of_tiers() -> None:
    """Platform before overlay before tenant before baseline."""
    watch = overlay(entry("*"))
    assert ask(compiled(tenant() + ALL[0]), "a.test").tier == "baseline"
    assert ask(compiled(tenant() + "".join(ALL[:2])), "a.test").tier == "tenant"
    assert ask(compiled(tenant() + "".join(ALL[:2]), watch), "a.test").tier == "overlay"
    assert ask(compiled(tenant() + "".join(ALL), watch), "a.test").tier == "platform"


def test_order_within_a_tier() -> None:
    """Small priority first, then the object's name, then position; whom an object names does not matter."""
    late = rules("name: r, action: deny", name="a", more="  priority: 20\n")
    first = rules("name: r, action: allow", "name: s, action: deny", name="b", more="  priority: 10\n", tenants="[]")
    again = rules("name: r, action: deny", name="c", more="  priority: 10\n")
    assert ask(compiled(tenant() + late + again + first), "a.test").rule == "b/r"
    assert ask(compiled(tenant() + late + again), "a.test").rule == "c/r"


def test_pass_leaves_the_verdict_to_the_tenant() -> None:
    """After pass no platform rule is asked; the tenant's rules and default are."""
    platform = rules(
        "name: skip, action: pass, match: {qname: [.a.test]}", "name: all, action: deny", name="x", tier="platform"
    )
    own = rules("name: r, action: deny, match: {qname: [b.a.test]}")
    policy = compiled(tenant() + platform + own)
    assert ask(policy, "c.a.test").tier == "default"
    assert ask(policy, "b.a.test").rule == "p/r"
    assert ask(policy, "c.test").rule == "x/all"


def test_continuing_actions_never_end() -> None:
    """log, tag, route and continue mark the decision and go on; the first route holds."""
    policy = compiled(
        tenant()
        + rules(
            "name: l, action: log",
            "name: t, action: tag, tag: odd",
            "name: u, action: tag, tag: odd",
            "name: c, action: continue",
            "name: r, action: route, route: main",
            "name: d, action: deny, match: {qname: [bad.test]}, tag: blocked",
        )
    )
    decision = ask(policy, "a.test")
    assert (decision.verdict, decision.log, decision.tags, decision.route) == ("allow", True, ("log", "odd"), "main")
    assert ask(policy, "bad.test").tags == ("log", "odd", "blocked")


def test_routes_lead_to_groups_the_tenant_has() -> None:
    """A rule for all tenants routes only those that have the group."""
    globex = tenant("globex", 2).replace("name: main, ", "")
    policy = compiled(tenant() + globex + rules("name: r, action: route, route: main", tenants="[]"))
    assert ask(policy, "a.test").route == "main"
    assert ask(policy, "a.test", client="10.0.2.20").route == ""


CONDITIONS = [
    ("match: {qname: [.a.test], not: [ok.a.test]}", "x.a.test", "ok.a.test"),
    ("match: {not: [.a.test]}", "b.test", "x.a.test"),
]


@pytest.mark.parametrize(("match", "hit", "miss"), CONDITIONS)
def test_not_excludes_names(match: str, hit: str, miss: str) -> None:
    """Names under `not` are left out, also where no name is asked for."""
    policy = compiled(tenant() + rules(f"name: r, action: deny, {match}"))
    assert (ask(policy, hit).verdict, ask(policy, miss).verdict) == ("deny", "allow")


def test_conditions_on_type_transport_and_client() -> None:
    """Each condition given must hold; a list holds when any entry does."""
    policy = compiled(tenant() + rules("name: r, action: deny, match: {qtype: [aaaa, TYPE65]}"))
    assert [ask(policy, "a", qtype).verdict for qtype in ("AAAA", "HTTPS", "A")] == ["deny", "deny", "allow"]
    policy = compiled(tenant() + rules("name: r, action: deny, match: {transport: [tcp]}"))
    assert [ask(policy, "a", transport=kind).verdict for kind in ("tcp", "udp")] == ["deny", "allow"]
    policy = compiled(tenant() + rules("name: r, action: deny, clients: {subnets: [10.0.1.16/28, 10.0.1.99]}"))
    verdicts = [ask(policy, "a", client=f"10.0.1.{host}").verdict for host in (20, 99, 98)]
    assert verdicts == ["deny", "deny", "allow"]
    policy = compiled(tenant() + rules("name: r, action: deny, clients: {matchLabels: {app: frontend, env: prod}}"))
    assert ask(policy, "a", client=FRONTEND).verdict == "allow"


FORMS = [
    ("action: deny", AnswerForm("nxdomain", ede=15)),
    ("action: deny, answer: {form: nodata, ede: 17, ttl: 5}", AnswerForm("nodata", ttl=5, ede=17)),
    ("action: deny, answer: {form: refused}", AnswerForm("refused", ede=15)),
    ("action: deny, answer: {form: drop}", AnswerForm("drop", ede=-1)),
    (
        'action: deny, answer: {form: addresses, addresses: [192.0.2.1, "2001:DB8::1"]}',
        AnswerForm("addresses", ("192.0.2.1", "2001:db8::1"), ede=4),
    ),
    ("action: redirect, answer: {target: Safe.Example.}", AnswerForm("cname", target="safe.example", ede=4)),
    ("action: allow", None),
]


@pytest.mark.parametrize(("rule", "form"), FORMS)
def test_forms_of_answers(rule: str, form: AnswerForm | None) -> None:
    """Each form arrives whole, with EDE 15 Blocked or 4 Forged Answer unless another is given (RFC 8914)."""
    assert ask(compiled(tenant() + rules(f"name: r, {rule}")), "a.test").form == form


def test_a_rule_in_audit_is_recorded_and_goes_on() -> None:
    """What it would have done is in the audits, and the next rule decides; log holds, tags and routes do not."""
    policy = compiled(
        tenant()
        + rules(
            "name: d, action: deny, mode: audit, log: true, tag: x",
            "name: r, action: route, route: main, mode: audit",
            "name: a, action: allow",
            "name: z, action: deny, mode: audit",
        )
    )
    decision = ask(policy, "a.test")
    assert (decision.verdict, decision.rule, decision.route, decision.tags) == ("allow", "p/a", "", ("log",))
    assert decision.audits == (Audit("p/d", "deny", "tenant"), Audit("p/r", "route", "tenant"))


def test_an_object_in_audit() -> None:
    """All rules of a policy in audit mode are recorded only."""
    policy = compiled(tenant() + rules("name: d, action: deny", more="  mode: audit\n"))
    decision = ask(policy, "a.test")
    assert (decision.verdict, decision.audits) == ("allow", (Audit("p/d", "deny", "tenant"),))


def test_a_tenant_in_audit() -> None:
    """Nothing is denied, not even by default; what would have been is recorded, once: the first verdict would have ended."""
    two = rules(
        "name: d, action: deny, match: {qname: [.bad]}",
        "name: e, action: redirect, answer: {target: b}, match: {qname: [.bad]}",
    )
    policy = compiled(tenant(default="deny", mode="audit") + two)
    decision = ask(policy, "a.bad")
    assert (decision.verdict, decision.form, decision.audits) == ("allow", None, (Audit("p/d", "deny", "tenant"),))
    assert ask(policy, "a.test").audits == (Audit("", "deny", "default"),)


def test_rules_expire() -> None:
    """A rule holds until its expiry and no longer; until then the decision says how long it may be kept."""
    policy = compiled(tenant() + rules("name: d, action: deny, expires: 2027-01-15T08:00:10Z"))
    before = ask(policy, "a.test", now=NOW)
    assert (before.verdict, before.valid_until) == ("deny", NOW + 10)
    after = ask(policy, "a.test", now=NOW + 10)
    assert (after.verdict, after.valid_until) == ("allow", inf)


def test_only_rules_that_match_bound_a_decision() -> None:
    """The expiry of a rule for other names does not shorten the life of an answer."""
    policy = compiled(tenant() + rules("name: d, action: deny, expires: 2027-01-15T08:00:10Z, match: {qname: [b]}"))
    assert ask(policy, "a").valid_until == inf


def test_overlay_entries() -> None:
    """An entry in force denies until it expires; in audit it is recorded; a tag marks."""
    enforced = compiled(tenant(), overlay(entry(".bad.test", life=5)))
    decision = ask(enforced, "x.bad.test")
    assert (decision.verdict, decision.rule, decision.tier) == ("deny", "overlay/e1", "overlay")
    assert decision.valid_until == NOW + 5
    assert ask(enforced, "x.bad.test", now=NOW + 5).verdict == "allow"
    audited = ask(compiled(tenant(), overlay(entry(".bad.test", mode="audit"))), "x.bad.test")
    assert (audited.verdict, audited.audits) == ("allow", (Audit("overlay/e1", "deny", "overlay"),))
    assert ask(compiled(tenant(), overlay(entry("*", action="tag"))), "a").tags == ("tunnel",)


def test_exemptions_always_win_over_the_overlay() -> None:
    """An exempt name is untouched whatever the entry's pattern, in audit too; the tenant's own rules still hold for it."""
    feedback = "{mode: enforce, exempt: [.good.test]}"
    policy = compiled(tenant(feedback=feedback), overlay(entry("*"), entry(".good.test", name="e2", mode="audit")))
    decision = ask(policy, "a.good.test")
    assert (decision.verdict, decision.audits) == ("allow", ())
    assert ask(policy, "a.test").verdict == "deny"


FEEDBACK = [
    ("{mode: enforce}", "deny", 0),
    ("{mode: audit}", "allow", 1),
    ("{}", "allow", 1),
    ("{mode: off}", "allow", 0),
    ("{mode: enforce, detectors: {tunnel: off}}", "allow", 0),
    ("{mode: off, detectors: {tunnel: enforce}}", "deny", 0),
    ("{mode: enforce, minSeverity: critical}", "allow", 0),
    ("{mode: enforce, maxEntries: 0}", "allow", 0),
]


@pytest.mark.parametrize("feedback", ["{mode: tag}", "{mode: audit}", "{mode: enforce}"])
def test_an_entry_that_tags_only_tags(feedback: str) -> None:
    """Whatever more the tenant would allow; the tag is the detector's name."""
    decision = ask(compiled(tenant(feedback=feedback), overlay(entry(".bad.test", action="tag"))), "x.bad.test")
    assert (decision.verdict, decision.tags, len(decision.audits)) == ("allow", ("tunnel",), 0)


def test_a_tenant_that_only_wants_tags_gets_a_tag_for_a_denial() -> None:
    """Feedback was tightened, the streams have not followed yet."""
    decision = ask(compiled(tenant(feedback="{mode: tag}"), overlay(entry(".bad.test"))), "x.bad.test")
    assert (decision.verdict, decision.tags) == ("allow", ("tunnel",))


@pytest.mark.parametrize(("feedback", "verdict", "audits"), FEEDBACK)
def test_what_the_tenant_lets_streams_do(feedback: str, verdict: str, audits: int) -> None:
    """An overlay never does more than the tenant's feedback settings allow now; audit is the default."""
    decision = ask(compiled(tenant(feedback=feedback), overlay(entry(".bad.test"))), "x.bad.test")
    assert (decision.verdict, len(decision.audits)) == (verdict, audits)


def test_caps_on_overlays() -> None:
    """Life is capped from the overlay's last change on; of too many entries the severest, then the newest stay."""
    capped = compiled(tenant(feedback="{mode: enforce, maxDurationS: 60}"), overlay(entry("*", life=600, age=50)))
    assert ask(capped, "a").valid_until == NOW + 60
    crowd = (
        entry("low.test", name="a", severity="medium"),
        entry("old.test", name="b", age=9),
        entry("new.test", name="c", age=1),
    )
    policy = compiled(tenant(feedback="{mode: enforce, maxEntries: 1}"), overlay(*crowd))
    assert [ask(policy, name).verdict for name in ("low.test", "old.test", "new.test")] == ["allow", "allow", "deny"]


def test_an_overlay_is_the_tenants_alone() -> None:
    """What streams block for one tenant stays open for another."""
    policy = compiled(tenant() + tenant("globex", 2), overlay(entry("*")))
    assert ask(policy, "a").verdict == "deny"
    assert ask(policy, "a", client="10.0.2.20").verdict == "allow"
