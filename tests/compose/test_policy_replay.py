"""`nameward policy replay`: real events in the real store, decided again; and the counting alone."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from compose.history import Question
from compose.policy_change import change, planned
from compose.policy_commands import policy
from compose.policy_topic import read_present
from compose.ports import Address
from compose.retrial import Retrial
from schemas.events import AnswerRecord
from streams.warehouse.loopback import Loopback
from streams.warehouse.rows import event_rows
from tests.compose.test_policy_change import documents
from tests.compose.test_policy_files import WRONG, written
from tests.resolver.policy.written import NOW, compiled, rules, tenant
from tests.streams.store import batch

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
TENANTS = tenant() + tenant("globex", 2) + tenant("shy", 3).replace("feedback:", "privacy: {client: pseudonym}\n  feedback:")


def question(qname: str, queries: int = 1, **changes: Any) -> Question:
    """A question of acme's backend, answered by upstream."""
    fields: dict[str, Any] = {
        "tenant": "acme", "workload": "", "client": "10.0.1.20", "transport": "udp", "qtype": "A", "labels": {}, "last": int(NOW * 1e6),
        "answered": 1, "answer": ("NOERROR", "upstream", ["A"], ["192.0.2.1"], [300]),
    }  # fmt: skip
    return Question(qname=qname, queries=queries, **{**fields, **changes})


def retried(new: str, *questions: Question, old: str = "") -> Retrial:
    """What the questions came to under the tenants with the old rules and with the new."""
    retrial = Retrial(compiled(TENANTS + old), compiled(TENANTS + new))
    for one in questions:
        retrial.take(one)
    return retrial


def test_changes_are_counted_by_tenant_rule_and_name() -> None:
    """Each query counts as often as it was asked; what is decided the same by another rule is no change."""
    new = rules("name: a, action: deny, match: {qname: [.com]}", "name: b, action: allow") + rules("name: c, action: deny", name="q", tenants="[globex]")
    old = rules("name: c, action: deny, answer: {form: nodata}", name="q", tenants="[globex]")
    retrial = retried(new, question("a.com", 5), question("b.com", 7), question("b.org", 11), question("a.com", 3, tenant="globex", client="10.0.2.1"), old=old)
    assert (retrial.queries, retrial.changed) == (26, 15)
    assert [(one.tenant, one.queries, one.changed, one.denied, one.allowed) for one in retrial.tenants()] == [("acme", 23, 12, 12, 0), ("globex", 3, 3, 0, 0)]
    assert [(one.old, one.old_rule, one.new, one.new_rule, one.queries) for one in retrial.rules()] == [
        ("allow", "", "deny nxdomain", "p/a", 12),
        ("deny nodata", "q/c", "deny nxdomain", "q/c", 3),
    ]
    assert [(one.tenant, one.name, one.queries) for one in retrial.names()] == [("acme", "b.com", 7), ("acme", "a.com", 5), ("globex", "a.com", 3)]


def test_rules_on_answers_see_the_stored_answer() -> None:
    """With an answer in the store it is looked at; without one the query is counted as not to be told."""
    new = rules("name: a, action: deny, match: {addresses: [192.0.2.0/24]}")
    assert retried(new, question("a.com"), question("b.com", answer=("NOERROR", "cache", ["A"], ["198.51.100.1"], [3]))).changed == 1
    unanswered = retried(new, question("a.com", 4, answered=0, answer=("", "", [], [], [])))
    assert (unanswered.changed, unanswered.unseen) == (0, 4)
    assert unanswered.notes() == ["4 queries concern rules on answers and have no answer in the store"]


def test_clients_that_privacy_hides_are_known_by_their_labels() -> None:
    """A pseudonym is no address: labels decide, and it is said how many queries that concerns."""
    new = rules("name: a, action: deny, clients: {matchLabels: {app: x}}", "name: b, action: deny, clients: {subnets: [0.0.0.0/0]}", tenants="[shy]")
    hidden = {"tenant": "shy", "client": "10.0.3.77", "workload": "x", "labels": {"app": "x"}}
    retrial = retried(new, question("a.com", 2, **hidden), question("b.com", 3, **{**hidden, "labels": {}, "client": ""}))
    assert (retrial.changed, retrial.by_labels) == (2, 5)
    assert "5 queries of clients that privacy hides" in retrial.notes()[0]


def test_tenants_that_come_and_go() -> None:
    """A client nobody claimed may be somebody's under the new policy; queries of a tenant neither has are left out."""
    retrial = Retrial(compiled(tenant()), compiled(tenant() + tenant("globex", 2)))
    retrial.take(question("a.com", 2, tenant="", client="10.0.2.9"))
    retrial.take(question("a.com", 3, tenant="lost", client="10.7.7.7"))
    assert (retrial.changed, retrial.homeless) == (2, 3)
    assert [(one.old, one.new) for one in retrial.rules()] == [("refused: no tenant", "allow")]


def test_what_audit_would_newly_do() -> None:
    """A rule in audit changes no decision, and yet its queries are told."""
    retrial = retried(rules("name: a, action: deny, mode: audit"), question("a.com", 9))
    assert retrial.changed == 0
    assert [(one.rule, one.verdict, one.queries) for one in retrial.audits()] == [("p/a", "deny", 9)]


def test_memory_does_not_grow_with_names() -> None:
    """Twenty thousand names that all change leave twenty of them, in less than a few megabytes."""
    retrial = Retrial(compiled(TENANTS), compiled(TENANTS + rules("name: a, action: deny")))
    tracemalloc.start()
    for number in range(20_000):
        retrial.take(question(f"n{number:05}.example", number % 97 + 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(retrial.names()) == 20
    assert {one.queries for one in retrial.names()} == {97}
    assert peak < 4_000_000


# --- with the store and a broker ---------------------------------------------------------------------------------------


@pytest.fixture
def history(store: Address, bootstrap: str) -> Iterator[tuple[str, ...]]:
    """Tenants in force, and an hour of queries; the options that lead there."""
    asyncio.run(change(bootstrap, lambda present: planned(documents(TENANTS), present)))
    warehouse = Loopback(f"http://{store}")
    answers = (AnswerRecord("CNAME", "tracker.example", 300), AnswerRecord("A", "203.0.113.9", 300))
    common = {"client": "10.0.1.10", "source": f"s{bootstrap}"}
    for first, rows in (
        (0, {"qname": "www.example.com", "answers": answers}),
        (10, {"qname": "www.example.org"}),
        (20, {"qname": "shy.example.com", "tenant": "shy", "client": "10.0.3.200"}),
        (30, {"qname": "version.bind", "qclass": "CH", "qtype": "TXT"}),
    ):
        warehouse.insert_arrow("nameward.query_events", event_rows([batch(first, 10, **{**common, **rows})[1]]))
    yield "--clickhouse", str(store), "--kafka", bootstrap, "--since", str(START - timedelta(minutes=1)), "--until", str(START + timedelta(hours=1))
    warehouse.execute("TRUNCATE TABLE nameward.query_events")
    gone = asyncio.run(read_present(bootstrap)).objects
    asyncio.run(change(bootstrap, lambda _: dict.fromkeys(gone)))


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `nameward policy replay`."""
    result = CliRunner().invoke(policy, ["replay", *map(str, arguments)], env={"COLUMNS": "140"})
    return result.exit_code, result.stdout, result.stderr


def test_history_is_decided_again(history: tuple[str, ...], tmp_path: Path) -> None:
    """Queries come from the store with their answers; tables for people, the same numbers for programs."""
    (path,) = written(tmp_path, a=rules("name: tracked, action: deny, match: {cname: [tracker.example]}", "name: org, action: deny, mode: audit, match: {qname: [.org]}"))
    code, out, err = run(*history, path)
    assert (code, err) == (0, "")
    assert out.startswith("40 queries from 2026-11-22 09:59:00 to 2026-11-22 11:00:00 UTC\n")
    assert out.splitlines()[-1] == "10 of 30 decisions would change (33.3%)"
    assert "note: 10 queries of another class than IN were left out" in out
    code, out, err = run(*history, "--json", path)
    value = json.loads(out)
    assert (code, value["events"], value["decided"], value["changed"]) == (0, 40, 30, 10)
    assert value["rules"] == [{"old": "allow", "old_rule": "", "new": "deny nxdomain", "new_rule": "p/tracked", "queries": 10}]
    assert value["names"] == [{"tenant": "acme", "name": "www.example.com", "queries": 10}]
    assert value["audits"] == [{"rule": "p/org", "verdict": "deny", "queries": 10}]
    assert value["notes"][0].startswith("10 queries of clients that privacy hides")


def test_sets_of_files_are_looked_into(history: tuple[str, ...], tmp_path: Path) -> None:
    """A set's file that is at hand decides as it would in a resolver; one that is not is named."""
    sets = "".join(
        f"apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {{name: {name}}}\nspec: {{file: {{path: {name}.txt}}}}\n---\n"
        for name in ("feed", "away")
    )
    (tmp_path / "feed.txt").write_text("www.example.com\n")
    (path,) = written(tmp_path, a=sets + rules("name: a, action: deny, match: {domainSets: [feed, away]}"))
    value = json.loads(run(*history, "--json", path)[1])
    assert (value["changed"], value["names"][0]["name"]) == (10, "www.example.com")
    assert value["notes"][0] == "sets in files of the resolver's host were taken as empty: away"


def test_one_tenants_history(history: tuple[str, ...], tmp_path: Path) -> None:
    """--tenant looks at its events only."""
    (path,) = written(tmp_path, a=rules("name: a, action: deny", tenants="[]"))
    value = json.loads(run(*history, "--json", "--tenant", "shy", path)[1])
    assert [(one["tenant"], one["queries"], one["denied"]) for one in value["tenants"]] == [("shy", 10, 10)]


def test_what_cannot_be_replayed(history: tuple[str, ...], tmp_path: Path) -> None:
    """Wrong documents, an odd span, no store: one sentence each."""
    good, bad = written(tmp_path, a=rules("name: a, action: deny"), b=WRONG)
    assert "b.yaml: document 1: DNSPolicy/p spec.rules[0].match.qname[1]" in run(*history, bad)[2]
    assert "is not before --until" in run(*history, "--since", "2026-11-23", good)[2]
    code, _, err = run(*history, "--clickhouse", "127.0.0.1:1", good)
    assert (code, err.startswith("nameward: the store does not answer at http://127.0.0.1:1")) == (1, True)
    code, _, err = run("--since", "yesterday", good)
    assert (code, "'yesterday' is neither a time ago such as 1h nor a moment" in err) == (2, True)
