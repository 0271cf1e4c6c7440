"""Live events from the real broker, as people and as programs read them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from compose import topics
from compose.console import printable
from compose.ports import Address
from compose.tail import command, events
from schemas.batches import BatchHeader, columns_of, encode_batch
from schemas.events import AnswerRecord, AuditVerdict, QueryEvent
from schemas.topics import EVENTS


def event(sequence: int, tenant: str) -> QueryEvent:
    """One event of a tenant."""
    return QueryEvent(
        time=datetime(2026, 11, 22, 12, tzinfo=UTC), source="r1", epoch=1, partition=0, sequence=sequence, tenant=tenant, workload="web", labels={},
        client="127.0.1.10", transport="udp", qname="www.example.com", registered_domain="example.com", qtype="A", qclass="IN", rcode="NXDOMAIN",
        flags=0, answers=(AnswerRecord("A", "192.0.2.1", 30),), answer_source="policy", upstream="", latency_us=120, upstream_latency_us=0,
        query_size=40, response_size=90, verdict="deny", rule="frontend-no-com/no-com", tier="tenant",
        audits=(AuditVerdict("x/y", "deny", "overlay"),), tags=("log",), ede=15, ede_text="", policy_version="v",
    )  # fmt: skip


async def publish(kafka: Address, *batches: list[QueryEvent]) -> None:
    """Put batches on dns.events, and a record that is none between them."""
    await topics.create(str(kafka))
    producer = AIOKafkaProducer(bootstrap_servers=str(kafka))
    await producer.start()
    for batch in batches:
        header = BatchHeader(source="r1", epoch=1, first_sequence=batch[0].sequence, count=len(batch), partition=0)
        await producer.send_and_wait(EVENTS.name, encode_batch(header, columns_of(batch)), partition=0)
        await producer.send_and_wait(EVENTS.name, b"not a batch", partition=1)
    await producer.stop()


async def test_live_events_are_what_comes_after_the_start(kafka: Address) -> None:
    """Events of before are not shown; the next ones are, of the tenant asked for."""
    await publish(kafka, [event(0, "acme")])
    seen: list[QueryEvent] = []
    watching = asyncio.create_task(collect(kafka, seen))
    while not seen:
        await publish(kafka, [event(7, "globex"), event(8, "acme")])
        await asyncio.wait({watching}, timeout=0.2)
    assert {(found.sequence, found.tenant) for found in seen} == {(8, "acme")}
    assert seen[0] == event(8, "acme")


async def collect(kafka: Address, seen: list[QueryEvent]) -> None:
    """Take acme's first event."""
    async for found in events(str(kafka), "acme"):
        seen.append(found)
        return


def test_json_is_one_object_a_line(kafka: Address, tmp_path: Path) -> None:
    """Programs get an object a line, and the record that is no batch is named on standard error."""
    asyncio.run(publish(kafka, [event(0, "acme"), event(1, "acme")]))
    arguments = ["--json", "-n", "2", "--from-start", "--kafka", str(kafka), "--directory", str(tmp_path)]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["sequence"] for line in done.stdout.splitlines()] == [0, 1]


def test_other_programs_get_ocsf(kafka: Address, tmp_path: Path) -> None:
    """DNS Activity, a response."""
    asyncio.run(publish(kafka, [event(0, "acme")]))
    done = CliRunner().invoke(command, ["--format", "ocsf", "-n", "1", "--from-start", "--kafka", str(kafka), "--directory", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["type_uid"] == 400302


def test_line_shows_who_what_and_why(kafka: Address, tmp_path: Path) -> None:
    """People read tenant, workload, name, verdict, rule and audit verdicts in one line."""
    asyncio.run(publish(kafka, [event(0, "acme")]))
    done = CliRunner().invoke(command, ["-n", "1", "--from-start", "--kafka", str(kafka), "--directory", str(tmp_path)])
    (line,) = done.stdout.splitlines()
    for word in ("acme/web", "deny", "www.example.com A NXDOMAIN", "by frontend-no-com/no-com", "[deny by x/y, audit]"):
        assert word in line


def test_names_of_strangers_cannot_steer_the_terminal() -> None:
    """Control characters of a name are shown as escapes."""
    assert printable("a\x1b[31mb\n") == "a\\027[31mb\\010"
