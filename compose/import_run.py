"""An import as it runs: events of one input, as the tenant's, onto dns.events and into the store, each once.

Between the command and the readers. Must not know options or formats.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from compose.event_account import account, latest, wait_stored
from compose.event_topic import writing
from compose.failure import Failure
from compose.import_file import epoch_of
from compose.import_report import Result
from compose.import_tenant import Attribution, new_tenant
from compose.imports import Observed, rows_of
from compose.policy_change import Changes, change
from compose.policy_topic import Present
from compose.ports import Address
from resolver.rows import Rows
from schemas.objects import Tenant, object_key

Tell = Callable[[int], None]
"""Told how many events there are until now."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go: host:port of the broker, the store, and whose they become."""

    bootstrap: str
    store: Address
    who: Attribution


async def tenant_of(bootstrap: str, name: str, *, create: bool) -> Tenant:
    """The tenant's object, made where that is wanted.

    Raises:
        Failure: if there is none, or no broker.
    """
    key = object_key("Tenant", name)

    def plan(present: Present) -> Changes:
        if key in present.objects:
            return {}
        if not create:
            raise Failure(f"there is no tenant {name!r}: apply one, or make an empty one with --create-tenant")
        return {key: new_tenant(name)}

    done = await change(bootstrap, plan)
    found = done.changes.get(key) or done.before.objects[key]
    if not isinstance(found, Tenant):
        raise Failure(f"what stands at {key} is no tenant")
    return found


async def publish(result: Result, events: Iterator[Observed], digest: int, target: Target, tell: Tell) -> None:
    """Write events that are not there yet, and wait until the store has them.

    Args:
        result: is filled in.
        events: in order of time.
        digest: of the content, see import_file.epoch_of.
        target: where they go.
        tell: see Tell.

    Raises:
        Failure: if broker or store do not answer or do not take them.
    """
    first = next(events, None)
    if first is None:
        result.outcome = "nothing to import"
        return
    events, name = chain([first], events), target.who.tenant.metadata.name
    result.epoch = epoch_of(first.time_ns, digest)
    there, complete = await asyncio.to_thread(account, target.store, result.source, result.epoch)
    if complete and there >= complete:
        count(result, events, tell)
        result.outcome = "already imported"
        return
    before = await asyncio.to_thread(latest, target.store, name, result.source, result.epoch)
    result.behind = before if first.time_ns < before else 0
    kept = target.who.tenant.spec.privacy.retention_days
    result.retention_days = kept if first.time_ns < (time.time() - kept * 86400) * 1e9 else 0
    async with writing(target.bootstrap, result.source, result.epoch) as writer:
        for rows in rows_of(map(target.who.of, events)):
            await writer.send(name, rows)
            _note(result, rows, tell)
    await asyncio.to_thread(wait_stored, target.store, result.source, result.epoch, writer.sent)
    result.outcome = "stored"


def count(result: Result, events: Iterator[Observed], tell: Tell) -> None:
    """Read events for their number alone."""
    for rows in rows_of(events):
        _note(result, rows, tell)


def _note(result: Result, rows: Rows, tell: Tell) -> None:
    result.first = result.first or int(rows.times[0])
    result.last = max(result.last, int(rows.times.max()))
    tell(result.report.events)
