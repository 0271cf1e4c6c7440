"""``nameward policy replay``: which real queries of the last hour a change would have decided differently."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from compose.failure import Failure
from compose.history import Question, count, questions
from compose.mirror import read_all
from compose.options import clickhouse_of, clickhouse_option, kafka_of
from compose.policy_files import check_together, merged, read_files
from compose.policy_options import echo_json, files_argument, json_option, kafka_option
from compose.policy_set_files import held_files, kept_documents
from compose.policy_topic import read_present
from compose.ports import Address
from compose.retrial import Retrial
from resolver.policy.set_contents import SetContents
from resolver.policy.store import PolicyStore
from resolver.tenants import Compiled
from schemas.objects import DNSPolicy, PolicyObject, SetFile
from schemas.signals import Overlay

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Moment(click.ParamType):
    """A time ago (90s, 30m, 1h, 2d) or a moment (2027-01-15T08:00:00Z)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401 - click's signature
        """The moment, with a zone."""
        if isinstance(value, datetime):
            return value
        if ago := re.fullmatch(r"(\d+)([smhd])", str(value)):
            return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            wrong = f"{value!r} is neither a time ago such as 1h nor a moment such as 2027-01-15T08:00:00Z"
            return self.fail(wrong, param, ctx)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """What to replay: events of one tenant, or of all, in [since, until)."""

    since: datetime
    until: datetime
    tenant: str


@click.command("replay")
@files_argument
@click.option(
    "--since", type=_Moment(), default="1h", show_default=True, metavar="TIME", help="Begin: 30m, 1h, 2d, or a moment."
)
@click.option("--until", type=_Moment(), default="0s", metavar="TIME", help="End here; now by default.")
@click.option("--tenant", default="", metavar="NAME", help="Only this tenant's queries.")
@json_option
@clickhouse_option
@kafka_option
def replay_command(
    *, files: tuple[Path, ...], since: datetime, until: datetime, tenant: str, as_json: bool, clickhouse: str | None,
    directory: Path, kafka: str | None,
) -> None:  # fmt: skip
    """Decide the queries in the store again: under the policy in force, and under it with FILES applied.

    Tells how many are decided differently, by tenant, by rule and by name. Nothing is changed.
    """
    if since >= until:
        raise Failure(f"--since {since:%Y-%m-%d %H:%M:%S} is not before --until {until:%Y-%m-%d %H:%M:%S}")
    store, span = clickhouse_of(directory, clickhouse), Span(since, until, tenant)
    old, new, notes = _policies(files, kafka_of(directory, kafka), directory)
    events, foreign = count(store, since, until, tenant)
    retrial = Retrial(old, new)
    for question in _shown(store, span, events, quiet=as_json):
        retrial.take(question)
    notes += retrial.notes() + ([f"{foreign} queries of another class than IN were left out"] if foreign else [])
    if as_json:
        echo_json(_value(retrial, span, events, notes))
        return
    from compose.retrial_tables import show

    click.echo(f"{events} queries from {since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S} UTC")
    show(retrial, notes)


def _value(retrial: Retrial, span: Span, events: int, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "since": span.since,
        "until": span.until,
        "events": events,
        "decided": retrial.queries,
        "changed": retrial.changed,
        "tenants": retrial.tenants(),
        "rules": retrial.rules(),
        "names": retrial.names(),
        "audits": retrial.audits(),
        "notes": notes,
    }


def _policies(files: tuple[Path, ...], bootstrap: str, directory: Path) -> tuple[Compiled, Compiled, list[str]]:
    """The policy in force, the one with the files applied, and what neither can be true to."""
    documents = read_files(files)
    present = asyncio.run(read_present(bootstrap)).objects
    check_together(documents, present)
    overlays = asyncio.run(read_all(bootstrap)).overlays
    proposed = merged({document.key: document.obj for document in documents}, present)
    notes = []
    sets, absent = held_files([*documents, *kept_documents(present, directory)], directory)
    if absent:
        notes.append(f"sets in files of the resolver's host were taken as empty: {', '.join(absent)}")
    if any(_needs_signals(obj) for obj in proposed.values()):
        notes.append("rules on signals and newly observed names were taken as not matching")
    return _compiled(present, overlays, sets), _compiled(proposed, overlays, sets), notes


def _needs_signals(obj: PolicyObject) -> bool:
    return isinstance(obj, DNSPolicy) and any(rule.match.signal or rule.match.newly_observed for rule in obj.spec.rules)


def _compiled(
    objects: Mapping[str, PolicyObject], overlays: Mapping[str, bytes], sets: Mapping[SetFile, SetContents]
) -> Compiled:
    """What a resolver would have in force: what it refuses is left out here too."""
    store = PolicyStore()
    for key, obj in objects.items():
        store.put(key, obj)
    for file, contents in sets.items():
        store.put_file(file, contents, "")
    for tenant, value in overlays.items():
        try:
            store.put_overlay(tenant, msgspec.json.decode(value, type=Overlay))
        except msgspec.MsgspecError as error:
            store.put_unreadable_overlay(tenant, str(error))
    store.swap(time.time())
    return store.current


def _shown(store: Address, span: Span, events: int, *, quiet: bool) -> Iterator[Question]:
    """The questions, with a bar of progress where a person looks."""
    found = questions(store, span.since, span.until, span.tenant)
    if quiet or not sys.stderr.isatty():
        yield from found
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("deciding again", total=events)
        for question in found:
            yield question
            progress.advance(task, question.queries)
