"""``nameward import``: recorded traffic into dns.events, as a named source of one tenant.

Opens files, asks what is there of the tenant and of the import, shows progress; what the bytes mean is imports/.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from compose.failure import Failure
from compose.import_file import digest_of, opened
from compose.import_report import Result
from compose.import_run import Target, Tell, count, publish, tenant_of
from compose.import_tenant import attribution
from compose.imports import FORMATS, in_order, observe
from compose.options import clickhouse_of, clickhouse_option, directory_option, kafka_of, kafka_option

_SOURCE = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_RESOLVER = re.compile(r"r[0-9]+")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--tenant", required=True, help="Whose events they are.")
@click.option("--source", required=True, help="Name of the source, such as office-capture; no resolver's.")
@click.option("--format", "given", type=click.Choice(["auto", *FORMATS]), default="auto", show_default=True)
@click.option("--workload", default="", help="Workload of all clients; by the tenant's subnets without it.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=53, show_default=True, help="Of DNS servers in captures."
)
@click.option("--create-tenant", is_flag=True, help="Make a tenant without clients if there is none of this name.")
@click.option("--pseudonym-key", type=click.Path(path_type=Path), default=None, help="The resolvers' key file.")
@click.option("--dry-run", is_flag=True, help="Read and count only; needs no running stack.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list, one object per file.")
@directory_option
@kafka_option
@clickhouse_option
def command(
    *,
    files: tuple[Path, ...],
    tenant: str,
    source: str,
    given: str,
    workload: str,
    port: int,
    create_tenant: bool,
    pseudonym_key: Path | None,
    dry_run: bool,
    as_json: bool,
    directory: Path,
    kafka: str | None,
    clickhouse: str | None,
) -> None:
    """Put recorded traffic on dns.events, as a named source of one tenant.

    Reads pcap, pcapng, Zeek's dns.log, dnstap and the JSON lines of `nameward tail --json`; "-" is standard input. The
    same file again changes nothing. Give several in order of time.
    """
    if not _SOURCE.fullmatch(source) or _RESOLVER.fullmatch(source):
        raise Failure(
            f"--source {source!r}: expected a name of lower-case letters, digits, - . _ that is no resolver's"
        )
    target = None
    if not dry_run:
        bootstrap = kafka_of(directory, kafka)
        owner = asyncio.run(tenant_of(bootstrap, tenant, create=create_tenant))
        who = attribution(owner, workload, pseudonym_key or directory / "pseudonym.key")
        target = Target(bootstrap, clickhouse_of(directory, clickhouse), who)
    results = []
    for path in files:
        with opened(path, given) as stream, _progress(path, stream, shown=not as_json) as tell:
            result = Result(str(path), source)
            events = in_order(observe(stream, result.report, given=given, port=port), result.report)
            if target is None:
                count(result, events, tell)
            else:
                digest = digest_of(stream, tenant, workload, given, str(port))
                asyncio.run(publish(result, events, digest, target, tell))
        results.append(result)
        if not as_json:
            result.show()
    if as_json:
        click.echo(json.dumps([result.builtins() for result in results], indent=1))


@contextmanager
def _progress(path: Path, stream: BinaryIO, *, shown: bool) -> Iterator[Tell]:
    """A bar of the bytes read, where a person looks."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[events]} events"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not (shown and console.is_terminal)) as bar:
        size = stream.seek(0, 2)
        stream.seek(0)
        task = bar.add_task(path.name, total=size, events=0)
        yield lambda events: bar.update(task, completed=stream.tell(), events=events)
