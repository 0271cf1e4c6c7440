"""Policy changes while clients ask all the time: every query has one answer, and none is older than what `apply` has told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import dnslib
import pytest

from compose.policy_topic import producing, publish, wait_in_force
from tests.integration import dns
from tests.integration.stack import Stack
from tests.integration.steady import Load, Plan, Question, Record
from tests.patience import PROCESS_S
from tests.peers import authority
from tests.peers.authority import Authority
from tests.resolver.policy.written import objects

RATE = 5000
LEAST_RATE = 500  # of a machine that does other things too
POLICY = (Path(__file__).parent / "policies" / "moving.yaml").read_text()
FIRST, SECOND = "NOERROR 192.0.2.1", "NOERROR 192.0.2.2"
STORM = 50
MOVED = [f"n{number}.moved.test" for number in range(60)]
PROBES = {"udp": 16, "tcp": 8}  # enough sockets to meet every worker

QUESTIONS = [
    *(Question("rule", "www.switched.test", client) for client in ("127.0.11.10", "127.0.11.11")),
    *(Question("name", "desk.internal", client) for client in ("127.0.11.10", "127.0.11.11")),
    *(Question("search", "app", client) for client in ("127.0.11.10", "127.0.11.11")),
    *(Question("set", "www.listed.test", client) for client in ("127.0.11.10", "127.0.11.11")),
    *(Question("upstream", name, "127.0.12.10", share=2) for name in MOVED),
    *(Question("upstream", f"a{number}.short.test", "127.0.12.11", share=2) for number in range(10)),
    Question("upstream", "a.slow.test", "127.0.12.11", share=1),
    Question("taken", "desk.internal", "127.0.13.40", share=20),
    Question("staying", "desk.internal", "127.0.13.10", share=20),
    Question("removed", "www.leaving.test", "127.0.14.10", share=1),  # clients of nobody are not answered often
    *(Question(subject, name, client, "tcp", 2) for subject, name, client in (
        ("rule", "www.switched.test", "127.0.11.10"), ("name", "desk.internal", "127.0.11.11"), ("search", "app", "127.0.11.10"),
        ("set", "www.listed.test", "127.0.11.11"), ("upstream", "n0.moved.test", "127.0.12.10"), ("taken", "desk.internal", "127.0.13.40"),
    )),
]  # fmt: skip


@dataclass(frozen=True)
class Version:
    """What a subject's answer is from some moment after `began` on; from `told` on no earlier version may be seen."""

    meaning: str
    began: int = 0
    told: int = 0


@dataclass
class Story:
    """What was changed when (ns), by subject."""

    stack: Stack
    versions: dict[str, list[Version]] = field(default_factory=dict)

    def change(self, subject: str, meaning: str, act: Callable[[], object]) -> None:
        """Make a change that returns when it is in force; all workers must show it at once, over both transports."""
        began = time.monotonic_ns()
        act()
        self.versions[subject].append(Version(meaning, began, time.monotonic_ns()))
        self.probe(subject)

    def probe(self, subject: str) -> None:
        """Ask for a subject from sockets of its own."""
        asked = [question for question in QUESTIONS if question.subject == subject][:4]
        meanings = [
            (question.name, transport, probe(self.stack.port, question, transport))
            for question in asked for transport, count in PROBES.items() for _ in range(count // len(asked))
        ]  # fmt: skip
        assert {meaning for *_, meaning in meanings} == {self.versions[subject][-1].meaning}, meanings

    def possible(self, subject: str, sent: int, received: int) -> set[str]:
        """Meanings an answer may have that was asked for and came at these times."""
        versions = self.versions[subject]
        ends = [version.told for version in versions[1:]] + [received + 1]
        return {one.meaning for one, end in zip(versions, ends, strict=True) if one.began < received and sent < end}


def probe(port: int, question: Question, transport: str) -> str:
    """The meaning of one answer, from a socket of its own."""
    message = dns.question(question.name, edns=False)
    if transport == "tcp":
        return meaning_of(dns.ask_stream(port, message, client=question.client))[1]
    answer = dns.ask(port, message, client=question.client)
    assert answer is not None, f"{question} was not answered"
    return meaning_of(answer)[1]


def meaning_of(answer: bytes) -> tuple[str, str]:
    """The name asked; rcode and addresses."""
    read = dnslib.DNSRecord.parse(answer)
    addresses = sorted(str(record.rdata) for record in read.rr if record.rtype == dnslib.QTYPE.A)
    return str(read.q.qname).rstrip("."), " ".join([dnslib.RCODE[read.header.rcode], *addresses])


@pytest.fixture(scope="module")
def broker() -> None:
    """The embedded one: how changes are confirmed on either is the business of test_policy_path.py."""


@pytest.fixture(scope="module")
def second() -> Iterator[Authority]:
    """An authority that says something else."""
    with authority.running(says="192.0.2.2") as server:
        yield server


@pytest.fixture(scope="module")
def story(stack: Stack, upstream: Authority) -> Story:
    """Policy as it is before anything changes."""
    stack.apply(POLICY, first=upstream.address)
    versions = {"rule": FIRST, "name": "NOERROR 10.11.0.1", "search": "NOERROR 10.11.1.1", "set": FIRST, "upstream": FIRST,
                "taken": "NOERROR 10.13.0.1", "staying": "NOERROR 10.13.0.1", "removed": FIRST}  # fmt: skip
    story = Story(stack, {subject: [Version(meaning)] for subject, meaning in versions.items()})
    for subject in versions:
        story.probe(subject)
    return story


@pytest.fixture
def load(stack: Stack, tmp_path: Path) -> Iterator[Load]:
    """Clients that ask until they are told to stop."""
    running = Load(Plan(stack.port, RATE, QUESTIONS, str(tmp_path / "record")))
    yield running
    running.kill()


def document(kind: str, name: str) -> str:
    """One document of the policy file."""
    (found,) = (text for text in POLICY.split("---\n") if f"kind: {kind}\nmetadata: {{name: {name}}}" in text)
    return found


def check(story: Story, record: Record) -> set[tuple[str, str]]:
    """Every query has one answer, and each says what policy said at its time; which answers there were, by subject."""
    wrong, seen = [], set()
    meanings = [meaning_of(b"\0\0" + answer) for answer in record.answers]
    for number, sent, received, answer in zip(record.question, record.sent, record.received, record.answer, strict=True):
        question = QUESTIONS[number]
        if answer < 0:
            wrong.append((question, "no answer", (sent - record.sent[0]) / 1e9))
            continue
        name, meaning = meanings[answer]
        seen.add((question.subject, meaning))
        if name != question.name or meaning not in story.possible(question.subject, sent, received):
            wrong.append((question, f"{name}: {meaning}", (sent - record.sent[0]) / 1e9))
    shown = "\n".join(f"{seconds:.3f} s: {question}: {said}" for question, said, seconds in wrong[:20])
    assert not wrong, f"{len(wrong)} of {len(record.sent)} are wrong:\n{shown}"
    assert record.strays == 0
    assert record.rate >= LEAST_RATE
    slowest = max(received - sent for sent, received in zip(record.sent, record.received, strict=True)) / 1e6
    print(f"{len(record.sent):,} queries, {record.rate:,.0f} a second, all answered, the slowest in {slowest:.0f} ms")
    return seen


def test_changes_while_queries_come(stack: Stack, story: Story, load: Load, upstream: Authority, second: Authority) -> None:
    """Rules, names, search lists, sets, upstream groups and tenants change one after the other under load."""
    before = stack.children()
    switched, north, south = document("DNSPolicy", "switched"), document("Tenant", "north"), document("Tenant", "south")
    taker = "apiVersion: nameward.io/v1\nkind: Tenant\nmetadata: {name: taker}\nspec: {default: allow, clients: [{subnets: [127.0.13.32/27]}]}\n"
    desk = document("VirtualName", "desk-wide").replace("wide", "taker").replace("10.13.0.1", "10.15.0.1")
    apply = partial(partial, stack.apply, first=upstream.address, second=second.address)
    story.change("rule", "NXDOMAIN", apply(switched.replace("action: allow", "action: deny")))
    story.change("name", "NOERROR 10.11.0.2", apply(document("VirtualName", "desk-north").replace("10.11.0.1", "10.11.0.2")))
    story.change("search", "NOERROR 10.11.2.1", apply(north.replace("one.internal", "two.internal")))
    story.change("upstream", SECOND, apply(south.replace("{{first}}", "{{second}}")))
    story.change("taken", "NOERROR 10.15.0.1", apply(f"{taker}---\n{desk}"))
    story.change("set", "NXDOMAIN", apply(document("DomainSet", "moving").replace("unlisted", "listed")))
    story.change("removed", "REFUSED", lambda: stack.nameward("policy", "delete", "Tenant", "leaving"))
    story.change("rule", FIRST, apply(switched))
    story.change("upstream", FIRST, apply(south))
    story.change("search", "NOERROR 10.11.1.1", apply(north))
    story.change("set", FIRST, apply(document("DomainSet", "moving")))
    story.change("removed", FIRST, apply(document("Tenant", "leaving")))
    story.change("taken", "NOERROR 10.15.0.2", apply(desk.replace("10.15.0.1", "10.15.0.2")))
    seen = check(story, load.finish())
    assert seen == {(subject, one.meaning) for subject, versions in story.versions.items() for one in versions}
    assert stack.children() == before


def test_a_storm_of_changes(stack: Stack, story: Story, load: Load) -> None:
    """Fifty changes in quick succession, written by one producer, cost no query its answer; the last one stays."""
    desk, switched = document("VirtualName", "desk-north"), document("DNSPolicy", "switched")
    names = [("name", f"NOERROR 10.99.0.{number}", desk.replace("10.11.0.1", f"10.99.0.{number}")) for number in range(STORM // 2)]
    rules = [("rule", "NXDOMAIN", switched.replace("action: allow", "action: deny")), ("rule", FIRST, switched)] * (STORM // 4)
    changes = [change for pair in zip(names, [*rules, rules[0]], strict=True) for change in pair]

    async def storm() -> list[str]:
        end = 0
        async with producing(stack.kafka) as producer:
            for *_, text in changes:
                end = await publish(producer, dict(objects(text)), "storm")
        return (await wait_in_force(stack.kafka, end, [], PROCESS_S)).confirmed

    began = time.monotonic_ns()
    assert asyncio.run(storm()) == ["r1", "r2"]
    told = time.monotonic_ns()
    for subject, meaning, _ in changes:
        story.versions[subject].append(Version(meaning, began, told))
    story.probe("name")
    story.probe("rule")
    seen = check(story, load.finish())
    assert {(subject, versions[-1].meaning) for subject, versions in story.versions.items()} <= seen
    print(f"{STORM} changes in {(told - began) / 1e9:.1f} s, {len(seen)} kinds of answers")
