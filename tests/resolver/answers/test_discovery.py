"""Discovered names as clients see them: records of every type, what is hidden, and how long an answer is repeated."""

from __future__ import annotations

import json

import pytest

from resolver.explain import explained, question
from tests.resolver.path import NOW, Path, ask, ede_of, texts
from tests.resolver.policy.written import discovery, service, signal

TENANTS = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec:
  default: allow
  clients: [{{subnets: [127.0.1.0/24]}}]
  workloads:
  - {{name: prod, subnets: [127.0.1.10], labels: {{env: prod, zone: eu}}}}
  - {{name: dev, subnets: [127.0.1.20], labels: {{env: dev, zone: us}}}}
  - {{name: gold, subnets: [127.0.1.30], labels: {{env: prod, tier: gold}}}}
  upstreams: [{{servers: ["udp://127.0.0.1:5399"]}}]
  visible: [globex/open]
  discloseHidden: {disclose}
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: globex}}
spec:
  default: allow
  clients: [{{subnets: [127.0.2.0/24]}}]
  upstreams: [{{servers: ["udp://127.0.0.1:5399"]}}]
---
"""
SERVICES = (
    service(
        "api-prod", labels='{app: api, env: prod, note: "say \\"hi\\""}', more="port: {name: http}",
        endpoints='[{address: 10.9.0.1, port: 8080, zone: eu, weight: 3}, {address: "fd00::1", port: 8080, zone: eu}, {address: 10.9.0.2, zone: us}]',
    )
    + service("api-dev", labels="{app: api, env: dev}", endpoints="[{address: 10.9.1.1}]")
    + service("open", tenant="globex", labels="{app: open}", exports="[acme]", endpoints="[{address: 10.9.2.1}]")
    + service("shut", tenant="globex", labels="{app: shut}", exports="[acme]", endpoints="[{address: 10.9.2.2}]")
    + service("secret", tenant="globex", labels="{app: secret}", endpoints="[{address: 10.9.2.3}]")
    + service("empty", labels="{app: empty}", endpoints="[]")
)  # fmt: skip
RULES = (
    discovery("api.svc.acme", selector="{app: api, env: '${client.env}'}", more="ttl: 7")
    + discovery("{app}.svc.acme", owner="t", selector="{app: '${name.app}'}")
    + discovery("{app}.svc.acme", owner="g", tenants="[globex]", selector="{app: '${name.app}'}")
    + "apiVersion: nameward.io/v1\nkind: VirtualName\nmetadata: {name: v}\nspec: {name: shop.acme, tenants: [acme], targets: [{name: api.svc.acme}]}\n---\n"
)
PROD, DEV, GLOBEX = "127.0.1.10", "127.0.1.20", "127.0.2.1"


def path(*, disclose: str = "false", more: str = "") -> Path:
    """The resolver with all of it in force."""
    return Path((TENANTS.format(disclose=disclose) + SERVICES + RULES + more).removesuffix("---\n"))


@pytest.mark.parametrize(
    ("client", "name", "qtype", "answer"),
    [
        (PROD, "api.svc.acme", "A", ["api.svc.acme. 7 A 10.9.0.1"]),
        (PROD, "API.svc.Acme", "A", ["API.svc.Acme. 7 A 10.9.0.1"]),
        (PROD, "api.svc.acme", "AAAA", ["api.svc.acme. 7 AAAA fd00::1"]),
        (DEV, "api.svc.acme", "A", ["api.svc.acme. 7 A 10.9.1.1"]),
        (DEV, "api.svc.acme", "AAAA", []),
        (PROD, "api.svc.acme", "MX", []),
        (PROD, "empty.svc.acme", "A", []),
        (PROD, "open.svc.acme", "A", ["open.svc.acme. 5 A 10.9.2.1"]),
        (GLOBEX, "secret.svc.acme", "A", ["secret.svc.acme. 5 A 10.9.2.3"]),
        (PROD, "api.svc.acme", "TXT", ['api.svc.acme. 7 TXT "app=api","env=prod","note=say "hi""']),
        (PROD, "_http._tcp.api.svc.acme", "A", []),
        (PROD, "10-9-0-1.api.svc.acme", "A", ["10-9-0-1.api.svc.acme. 7 A 10.9.0.1"]),
        (PROD, "10-9-0-2.api.svc.acme", "A", ["10-9-0-2.api.svc.acme. 7 A 10.9.0.2"]),
        (PROD, "10-9-0-1.api.svc.acme", "AAAA", []),
        (PROD, "shop.acme", "A", ["shop.acme. 7 A 10.9.0.1"]),
    ],
)
async def test_answers(client: str, name: str, qtype: str, answer: list[str]) -> None:
    """What stands in the answer section; a type that is not there is NODATA with a SOA; nobody else is asked."""
    here = path()
    reply = await here.get(name, qtype, client)
    assert (reply.header.rcode, texts(reply.rr), here.upstream.asked) == (0, answer, [])
    assert bool(reply.auth) == (not answer)
    assert here.events[-1].answer_source == "discovery"


async def test_srv() -> None:
    """Port, weight and class of each endpoint, and the addresses of the targets beside them, at both names."""
    rule = discovery("wide.svc.acme", owner="w", selector="{app: api, env: prod}", more="maxEndpoints: 10")
    here = path(more=rule)
    reply = await here.get("wide.svc.acme", "SRV", PROD, edns=True)
    told = [text.split(" SRV ")[1] for text in texts(reply.rr)]
    v6 = "fd00-0000-0000-0000-0000-0000-0000-0001"
    assert sorted(told) == sorted(
        ["0 3 8080 10-9-0-1.wide.svc.acme.", f"0 1 8080 {v6}.wide.svc.acme.", "1 1 443 10-9-0-2.wide.svc.acme."]
    )
    assert told[-1].startswith("1 1 443")
    beside = [text for text in texts(reply.ar) if "OPT" not in text]
    assert sorted(beside) == sorted(
        ["10-9-0-1.wide.svc.acme. 5 A 10.9.0.1", f"{v6}.wide.svc.acme. 5 AAAA fd00::1", "10-9-0-2.wide.svc.acme. 5 A 10.9.0.2"]
    )
    below = await here.get("_http._tcp.wide.svc.acme", "SRV", PROD, edns=True)
    assert [text.split(" SRV ")[1] for text in texts(below.rr)] == told
    assert [text for text in texts(below.ar) if "OPT" not in text] == beside
    for target in beside:
        name, _, qtype, address = target.split(" ")
        assert texts((await here.get(name, qtype, PROD)).rr)[0].endswith(address)


@pytest.mark.parametrize("name", ["secret.svc.acme", "shut.svc.acme", "_http._tcp.open.svc.acme", "10-9-2-3.secret.svc.acme", "10-9-9-9.api.svc.acme"])
@pytest.mark.parametrize("qtype", ["A", "SRV", "TXT"])
async def test_hidden_looks_like_missing(name: str, qtype: str) -> None:
    """What the client may not discover takes the same way to the same answer as a name that does not exist."""
    here, missing = path(), "none".ljust(len(name.split(".", maxsplit=1)[0]), "x")
    other = ".".join([missing, *name.split(".")[1:]])
    hidden, absent = await here.raw(ask(name, qtype, edns=True), PROD), await here.raw(ask(other, qtype, edns=True), PROD)
    assert hidden is not None
    assert absent is not None
    end = 12 + len(name) + 2
    assert (hidden[:12], hidden[end:]) == (absent[:12], absent[end:])
    assert [event.answer_source for event in here.events] == ["upstream", "upstream"]
    assert len(here.upstream.asked) == 2


async def test_disclosure_is_opt_in() -> None:
    """A tenant that asked for it is told that there is something, if its owner exports it; never what is not exported."""
    here = path(disclose="true")
    reply = await here.get("shut.svc.acme", client=PROD, edns=True)
    assert (reply.header.rcode, ede_of(reply), here.upstream.asked) == (3, (18, "not visible to this tenant"), [])
    reply = await here.get("secret.svc.acme", client=PROD, edns=True)
    assert (reply.header.rcode, ede_of(reply), len(here.upstream.asked)) == (3, None, 1)


async def test_an_answer_is_repeated_until_a_signal_ends_or_comes() -> None:
    """The fast path repeats it; not past the expiry of a signal that was used, nor into another epoch."""
    here = path()
    message = ask("api.svc.acme")
    for _ in range(3):
        await here.raw(message, PROD)
    (known,) = here.fastpath.table().values()
    assert known.until_ns > (NOW + 1000) * 1e9
    here.store.put_signal(signal("health", "10.9.0.1:8080", "down", life=5), NOW)
    here.store.swap(NOW)
    assert texts((await here.get("api.svc.acme", client=PROD)).rr) == []  # the zone's other endpoint is IPv6
    for _ in range(3):
        await here.raw(message, PROD)
    assert known.epoch < here.store.epoch
    assert [entry.until_ns for entry in here.fastpath.table().values()] == [int((NOW + 5) * 1e9)]
    here.now += 5
    here.store.swap(here.now)
    assert texts((await here.get("api.svc.acme", client=PROD)).rr) == ["api.svc.acme. 7 A 10.9.0.1"]


async def test_policy_stands_above_discovery() -> None:
    """A denied name is denied, and a rule on the answer sees what was discovered."""
    rules = "apiVersion: nameward.io/v1\nkind: DNSPolicy\nmetadata: {name: p}\nspec: {tier: tenant, tenants: [acme], rules: [{name: hide, match: {qname: [open.svc.acme]}, action: deny}]}\n---\n"
    here = path(more=rules)
    assert (await here.get("open.svc.acme", client=PROD)).header.rcode == 3


def story(here: Path, name: str, client: str = PROD) -> dict[str, object]:
    """What explain says of the discovery of a name."""
    told = explained(here.store.current, here.caches, client, question(name, "A"), transport="udp", now=NOW)
    json.dumps(told)
    found: dict[str, object] = told["discovery"]
    return found


def test_explain_tells_every_reason() -> None:
    """Rules, services and endpoints, with the signals used and why each was (not) taken."""
    here = path(more=discovery("api.svc.acme", owner="gold", selector="{app: api}", more="clients: {matchLabels: {tier: gold}}"))
    here.store.put_signal(signal("health", "10.9.0.1:8080", "down", reason="probe failed"), NOW)
    here.store.put_signal(signal("latency", "10.9.0.2:443", "12"), NOW)
    here.store.swap(NOW)
    told = story(here, "api.svc.acme")
    assert [(rule["rule"], rule["taken"], rule["why"]) for rule in told["rules"]] == [  # type: ignore[attr-defined]
        ("d", True, "the first that is for this client"),
        ("gold", False, "the client has no label tier, expected 'gold'"),
        ("t", False, "another goes before it"),
    ]
    assert told["selectors"] == [["app=api", "env=prod"]]
    services = {one["service"]: one["why"] for one in told["services"]}  # type: ignore[attr-defined]
    assert services == {
        "api-prod": "selected by selector",
        "api-dev": "selector: label env is 'dev', wanted env=prod",
        "empty": "selector: label app is 'empty', wanted app=api, label env is None, wanted env=prod",
        "open": "selector: label app is 'open', wanted app=api, label env is None, wanted env=prod",
        "shut": "tenant acme has no 'visible' for it; selector: label app is 'shut', wanted app=api, label env is None, wanted env=prod",
        "secret": "it is not exported to tenant acme; selector: label app is 'secret', wanted app=api, label env is None, wanted env=prod",
    }
    endpoints = [(one["endpoint"], one["told"], one["why"], one["latency_class"]) for one in told["endpoints"]]  # type: ignore[attr-defined]
    assert endpoints == [
        ("[fd00::1]:8080", True, "told", 5),
        ("10.9.0.1:8080", False, "down, and another is left", 5),
        ("10.9.0.2:443", False, "behind the best class, or past maxEndpoints", 2),
    ]
    health = told["endpoints"][1]["health"]  # type: ignore[index]
    assert health == {"value": "down", "source": "test", "why": "probe failed", "expires": NOW + 600}


def test_explain_of_a_name_that_means_nothing() -> None:
    """Why a name is as good as missing; and nothing at all for a name without a rule."""
    here = path()
    assert story(here, "secret.svc.acme")["why"] == "nothing that the client may discover is meant: as if the rule were not there"
    assert story(here, "api.svc.acme", "127.0.1.99")["selectors"] == ["nothing matches: there is no ${client.env} here"]
    assert story(here, "www.example.org") == {}
