"""Query -> tenant -> policy -> answer -> event -> ClickHouse, and a changed policy back into every worker."""

from __future__ import annotations

import random
import time

from tests.integration import dns
from tests.integration.stack import Stack, eventually
from tests.peers.authority import Authority

FRONTEND = "127.0.1.10"
BACKEND = "127.0.1.20"
GLOBEX = "127.0.2.10"
UNKNOWN = "127.0.99.10"
ASKED_UNTIL_ALL_WORKERS = 32

DENIED = "SELECT * FROM nameward.query_events WHERE qname = {name:String} AND verdict = 'deny'"


def test_denied_name_answers_nxdomain_with_soa_and_ede(stack: Stack) -> None:
    """The frontend's *.com is denied with NXDOMAIN, an SOA and Extended DNS Error 15 that names the rule."""
    reply = stack.dig("www.example.com", client=FRONTEND)
    assert (reply.rcode, reply.answer) == ("NXDOMAIN", [])
    assert [record[2] for record in reply.authority] == ["SOA"]
    assert reply.ede == 15
    assert "no-com" in reply.ede_text


def test_denied_name_carries_no_ede_without_edns(stack: Stack) -> None:
    """A client that did not speak EDNS gets no OPT record, hence no Extended DNS Error."""
    reply = stack.dig("www.example.com", "A", "+noedns", client=FRONTEND)
    assert (reply.rcode, reply.ede) == ("NXDOMAIN", -1)
    assert "OPT PSEUDOSECTION" not in reply.text


def test_same_name_passes_for_another_workload(stack: Stack) -> None:
    """The rule is for the frontend's label: the backend resolves the same name through the tenant's upstream."""
    reply = stack.dig("www.example.com", client=BACKEND)
    assert (reply.rcode, reply.data) == ("NOERROR", ["192.0.2.1"])


def test_tcp_is_denied_and_answered_like_udp(stack: Stack) -> None:
    """Policy does not depend on the transport."""
    assert stack.dig("tcp.example.com", "A", "+tcp", client=FRONTEND).rcode == "NXDOMAIN"
    assert stack.dig("tcp.example.com", "A", "+tcp", client=BACKEND).data == ["192.0.2.1"]


def test_refused_request_is_in_clickhouse_within_two_seconds(stack: Stack) -> None:
    """A denied query can be read over ClickHouse's HTTP interface within 2 s, with tenant, workload, rule and EDE."""
    name = f"seen-{time.monotonic_ns()}.example.com"
    stack.dig(name, client=FRONTEND)
    (row,) = eventually(lambda: stack.sql(DENIED, name=name), within=2, what=f"{name} is stored", every=0.05)
    assert (row["tenant"], row["workload"], row["rcode"], row["ede"]) == ("acme", "frontend", "NXDOMAIN", 15)
    assert (row["rule"], row["tier"], row["labels"]) == ("frontend-no-com/no-com", "tenant", {"app": "frontend"})
    assert (row["client"], row["transport"], row["qtype"], row["answer_source"]) == (FRONTEND, "udp", "A", "policy")
    assert row["registered_domain"] == "example.com"
    assert "log" in row["tags"]


def test_refused_request_is_shown_by_nameward_sql(stack: Stack) -> None:
    """The same row is shown by `nameward sql`."""
    name = f"shown-{time.monotonic_ns()}.example.com"
    stack.dig(name, client=FRONTEND)
    eventually(lambda: stack.sql(DENIED, name=name), within=2, what=f"{name} is stored")
    out = stack.nameward("sql", f"SELECT tenant, rcode, verdict FROM nameward.query_events WHERE qname = '{name}'").stdout
    assert all(word in out for word in ("acme", "NXDOMAIN", "deny"))


def test_allowed_query_is_stored_with_its_answer(stack: Stack) -> None:
    """A query answered by upstream is stored with server, records and both latencies; the second one comes from the cache."""
    name = f"kept-{time.monotonic_ns()}.example.com"
    stack.dig(name, client=BACKEND)
    stack.dig(name, "A", "+tcp", client=BACKEND)
    query = "SELECT * FROM nameward.query_events WHERE qname = {name:String} ORDER BY time"
    first, second = eventually(lambda: len(rows := stack.sql(query, name=name)) == 2 and rows, within=4, what="two rows")
    assert (first["answer_source"], first["verdict"], first["rule"]) == ("upstream", "allow", "")
    assert first["upstream"].startswith("udp://127.0.0.1:")
    assert 0 < first["upstream_latency_us"] <= first["latency_us"]
    assert (first["answers.type"], first["answers.data"]) == (["A"], ["192.0.2.1"])
    assert second["transport"] == "tcp"
    assert second["answer_source"] in ("cache", "upstream")  # each worker has a cache of its own


def test_internal_name_differs_between_tenants(stack: Stack) -> None:
    """The same virtual name means different addresses to different tenants."""
    assert stack.dig("portal.internal", client=FRONTEND).data == ["10.1.0.10"]
    assert stack.dig("portal.internal", client=GLOBEX).data == ["10.2.0.10"]


def test_foreign_name_is_indistinguishable_from_a_missing_one(stack: Stack) -> None:
    """A name only globex has answers acme octet by octet like a name that nobody has, for several types and with or without EDNS."""
    assert stack.dig("shop.globex.internal", client=GLOBEX).data == ["10.2.0.80"]
    for kind in (1, 28, 16, 15, 6, 255):
        for edns in (True, False):
            foreign = dns.ask(stack.port, dns.question("shop.globex.internal", kind, edns=edns), client=BACKEND)
            missing = dns.ask(stack.port, dns.question("shup.globex.internal", kind, edns=edns), client=BACKEND)
            assert foreign is not None
            assert missing is not None
            assert foreign.replace(b"\x04shop", b"\x04shup") == missing


def test_unknown_client_is_refused(stack: Stack) -> None:
    """An address that no tenant claims gets REFUSED, and the event says that no tenant is known."""
    name = f"stranger-{time.monotonic_ns()}.example.com"
    assert stack.dig(name, client=UNKNOWN).rcode == "REFUSED"
    query = "SELECT tenant, rcode FROM nameward.query_events WHERE qname = {name:String}"
    (row,) = eventually(lambda: stack.sql(query, name=name), within=3, what=f"{name} is stored")
    assert row == {"tenant": "", "rcode": "REFUSED"}


RULE = """
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: changing}
spec:
  tier: tenant
  tenants: [acme]
  priority: 50
  rules:
  - name: only
    match: {qname: [.changing.test]}
    action: {{action}}
    answer: {form: {{form}}}
"""


def test_applied_rule_is_in_force_in_every_worker_when_the_command_returns(stack: Stack) -> None:
    """Each apply holds for the very next queries, from enough sockets to meet every worker; nothing is restarted."""
    before = stack.children()
    for action, form, rcode in (("deny", "refused", 5), ("allow", "nxdomain", 0), ("deny", "nxdomain", 3), ("deny", "nodata", 0)):
        stack.apply(RULE, action=action, form=form)
        answers = [dns.ask(stack.port, dns.question("www.changing.test"), client=FRONTEND) for _ in range(ASKED_UNTIL_ALL_WORKERS)]
        assert {answer[3] & 15 if answer else -1 for answer in answers} == {rcode}
        records = {answer[7] for answer in answers if answer}
        assert records == {1 if action == "allow" else 0}
    assert stack.children() == before


def test_deleted_rule_is_gone_when_the_command_returns(stack: Stack) -> None:
    """`policy delete` works like `policy apply`."""
    stack.apply(RULE, action="deny", form="refused")
    assert stack.dig("x.changing.test", client=FRONTEND).rcode == "REFUSED"
    stack.nameward("policy", "delete", "DNSPolicy", "changing")
    answers = [dns.ask(stack.port, dns.question("x.changing.test"), client=FRONTEND) for _ in range(ASKED_UNTIL_ALL_WORKERS)]
    assert {answer[3] & 15 if answer else -1 for answer in answers} == {0}


def test_bad_file_changes_nothing_and_names_the_key_path(stack: Stack) -> None:
    """One bad document refuses the whole file with its key path, on one line each, without a traceback."""
    stack.apply(RULE, action="deny", form="refused")
    text = RULE.replace("{{action}}", "allow").replace("{{form}}", "nodata") + "---\n" + RULE.replace("changing}", "other}").replace(
        "{{action}}", "explode").replace("{{form}}", "nodata")
    path = stack.directory.parent / "bad.yaml"
    path.write_text(text)
    done = stack.nameward("policy", "apply", str(path), check=False)
    assert done.returncode != 0
    assert "spec.rules[0].action" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert stack.dig("y.changing.test", client=FRONTEND).rcode == "REFUSED"
    assert "other" not in stack.nameward("policy", "get", "DNSPolicy").stdout


def test_exact_rule_word_for_word(stack: Stack, upstream: Authority) -> None:
    """`*.com` is everything below com, in any case of letters, and not com itself or another suffix."""
    seed = random.Random(2)
    for name, denied in (("example.com", True), ("A.B.eXample.COM", True), ("com", False), ("example.com.test", False), ("xcom", False)):
        reply = stack.dig(name, seed.choice(["A", "TXT", "MX"]), client=FRONTEND)
        assert (reply.rcode == "NXDOMAIN") is denied, name
    assert not any(name.endswith(".com") and name.startswith("a.b.") for name, _ in upstream.asked)


def test_explain_says_which_rule_decided(stack: Stack) -> None:
    """/explain names every rule considered and the verdict."""
    status, body = stack.get(f"/explain?client={FRONTEND}&name=www.example.com&type=A&transport=udp")
    assert status == 200
    assert all(word in body for word in ("acme", "frontend", "no-com", "deny"))


def test_metrics_are_prometheus_text(stack: Stack) -> None:
    """/metrics is in Prometheus' text format and counts the queries of all workers."""
    status, body = stack.get("/metrics")
    assert status == 200
    assert "# TYPE" in body
    assert "nameward_" in body
