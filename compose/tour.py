"""What `nameward up` prints when everything serves: a short tour to paste."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from compose.layout import DEFAULT_DIRECTORY, Layout

_LATEST = "SELECT time, tenant, workload, qname, verdict, rule FROM nameward.query_events ORDER BY time DESC LIMIT 5"
_COUNTS = "SELECT tenant, verdict, count() FROM nameward.query_events GROUP BY tenant, verdict"


def tour(layout: Layout) -> str:
    """Commands to paste, for the addresses of this stack; with the demo's names where it has the demo's objects."""
    name = _command()
    where = "" if str(layout.directory) == DEFAULT_DIRECTORY else f" --directory {layout.directory}"
    asked = _questions(f"-p {layout.listen.port} @{layout.listen.host}") if layout.demo else []
    lines = [
        *asked,
        (f'{name} sql{where} "{_LATEST}"', ""),
        (f"curl -s http://{layout.clickhouse} --data-binary '{_COUNTS}'", ""),
        (f"{name} tail{where}", "events as they happen"),
        (f"{name} policy get{where}", "the policy in force"),
        (f"{name} ledger{where}", "nothing lost, nothing twice"),
    ]
    places = f"DNS {layout.listen} (udp, tcp) · admin http://{layout.admin}"
    stores = f"Kafka {layout.kafka} · ClickHouse http://{layout.clickhouse}"
    commands = (f"  {text:<62}  # {remark}" if remark else f"  {text}" for text, remark in lines)
    return "\n".join(
        [f"{places} · {stores}", "", "Paste into another terminal (Ctrl-C here stops everything):", "", *commands]
    )


def _questions(server: str) -> list[tuple[str, str]]:
    return [
        (f"dig -b 127.0.1.10 {server} www.example.com", "denied: acme's frontend may not discover *.com"),
        (f"dig -b 127.0.1.10 {server} portal.internal +short", "acme's portal"),
        (f"dig -b 127.0.2.10 {server} portal.internal +short", "globex's, under the same name"),
        (f"dig -b 127.0.1.10 {server} shop.globex.internal", "for acme there is no such name"),
    ]


def _command() -> str:
    """How this command is called from the working directory."""
    called = Path(sys.argv[0])
    if called.name != "nameward" or shutil.which("nameward"):
        return "nameward"
    return os.path.relpath(called)
