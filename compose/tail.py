"""``nameward tail``: query events as they happen, read from Kafka like any other consumer, in no group."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from compose.console import printable
from compose.failure import Failure
from compose.options import directory_option, kafka_of, kafka_option
from compose.store import HINT
from schemas.events import QueryEvent
from schemas.ocsf import dns_activity

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

_COLOURS = {"deny": "red", "redirect": "yellow", "allow": "green"}


@click.command("tail")
@click.option("--tenant", default=None, help="Only this tenant's events; '' is the unknown clients.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["own", "ocsf"]),
    default=None,
    help="JSON lines: ours, or OCSF DNS Activity.",
)
@click.option("-n", "--count", type=click.IntRange(min=1), default=None, help="End after so many events.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest event the broker holds.")
@directory_option
@kafka_option
def command(
    *,
    tenant: str | None,
    as_json: bool,
    form: str | None,
    count: int | None,
    from_start: bool,
    directory: Path,
    kafka: str | None,
) -> None:
    """Show query events as they happen, until Ctrl-C."""
    show = _ocsf if form == "ocsf" else _json if as_json or form else _line
    try:
        asyncio.run(_run(kafka_of(directory, kafka), tenant, count, show, from_start=from_start))
    except KeyboardInterrupt:
        sys.exit(0)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()


async def _run(
    bootstrap: str, tenant: str | None, count: int | None, show: Callable[[QueryEvent], str], *, from_start: bool
) -> None:
    shown = 0
    async for event in events(bootstrap, tenant, from_start=from_start):
        click.echo(show(event))
        shown += 1
        if shown == count:
            return


async def events(bootstrap: str, tenant: str | None = None, *, from_start: bool = False) -> AsyncIterator[QueryEvent]:
    """Live events of one tenant or all.

    Args:
        bootstrap: host:port of the broker.
        tenant: only its events; None for everybody's.
        from_start: begin with the oldest event the broker holds rather than with the next one.

    Raises:
        Failure: if no broker answers.
    """
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import KafkaError

    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest" if from_start else "latest")
    try:
        await asyncio.wait_for(consumer.start(), 10)
        places = await _places(consumer)
    except (KafkaError, OSError, TimeoutError) as error:
        await consumer.stop()
        raise Failure(f"no Kafka broker answers at {bootstrap} ({HINT})") from error
    try:
        consumer.assign(places)
        if not from_start:
            await consumer.seek_to_end(*places)
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    for event in _decoded(record.value or b"", tenant):
                        yield event
    finally:
        await consumer.stop()


async def _places(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    """Every partition of dns.events, as the broker counts them."""
    from aiokafka import TopicPartition

    from schemas.topics import EVENTS

    await consumer.topics()  # reads the metadata of all topics
    return [TopicPartition(EVENTS.name, number) for number in sorted(consumer.partitions_for_topic(EVENTS.name) or ())]


def _decoded(value: bytes, tenant: str | None) -> list[QueryEvent]:
    import pyarrow.compute as pc

    from schemas.batches import BatchError, decode_batch, events_of

    try:
        _, columns = decode_batch(value)
    except BatchError as error:
        click.echo(f"nameward: a record on dns.events was passed over: {error}", err=True)
        return []
    if tenant is not None:
        columns = columns.filter(pc.equal(columns.column("tenant").cast("string"), tenant))
    return list(events_of(columns))


def _json(event: QueryEvent) -> str:
    return msgspec.json.encode(event).decode()


def _ocsf(event: QueryEvent) -> str:
    return msgspec.json.encode(dns_activity(event)).decode()


def _line(event: QueryEvent) -> str:
    clock = event.time.replace(tzinfo=UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    who = f"{event.tenant or '?'}{'/' + event.workload if event.workload else ''}"
    answers = ", ".join(record.data for record in event.answers[:3]) + (" ..." if len(event.answers) > 3 else "")
    why = f" by {event.rule}" if event.rule else ""
    detail = f"({event.answer_source} {event.latency_us / 1000:.1f} ms {event.transport}{why})"
    return " ".join(
        part
        for part in (
            click.style(clock, dim=True),
            click.style(f"{who:<16}", fg="cyan"),
            f"{event.client:<15}",
            click.style(f"{event.verdict:<8}", fg=_COLOURS.get(event.verdict)),
            f"{printable(event.qname)} {event.qtype} {event.rcode or 'no answer'}",
            printable(answers),
            click.style(detail, dim=True),
            *(f"[{audit.verdict} by {audit.rule}, audit]" for audit in event.audits),
        )
        if part
    )
