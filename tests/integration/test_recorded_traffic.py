"""Recorded traffic on a running stack: imported once, stored once, judged like live traffic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dnslib import DNSRecord

from tests.compose.imports.wire import START, asked, pcap
from tests.integration.stack import Stack, eventually
from tests.peers import authority, taps


def nameward(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the stack."""
    command = [sys.executable, "-m", "compose.cli", *arguments, "--directory", str(stack.directory)]
    return subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)


def imported(stack: Stack, path: Path, *options: str, tenant: str = "harbor", source: str = "capture") -> dict[str, Any]:
    """What `nameward import --json` tells of one file."""
    done = nameward(stack, "import", "--json", "--tenant", tenant, "--source", source, *options, str(path))
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    return dict(found)


def test_a_capture_is_stored_once_and_judged(stack: Stack, tmp_path: Path) -> None:
    """A tunnel in a capture is found as it would be live; importing it again changes nothing."""
    path = tmp_path / "tunnel.pcap"
    packets = [one for number in range(900) for one in asked(f"{number:040x}.tunnel.example", START + number / 10, ident=number)]
    path.write_bytes(pcap(packets, 101))
    refused = nameward(stack, "import", "--tenant", "harbor", "--source", "capture", str(path))
    assert (refused.returncode, refused.stderr) == (1, "nameward: there is no tenant 'harbor': apply one, or make an empty one with --create-tenant\n")
    first, again = imported(stack, path, "--create-tenant"), imported(stack, path)
    assert (first["outcome"], first["events"], again["outcome"]) == ("stored", 900, "already imported")
    assert (first["epoch"], first["retention_days"]) == (again["epoch"], 0)
    assert nameward(stack, "warehouse", "retain").returncode == 0
    rows = stack.sql("SELECT count() AS stored, uniqExact(sequence) AS numbers FROM nameward.query_events WHERE source = 'capture'")
    assert [(int(row["stored"]), int(row["numbers"])) for row in rows] == [(900, 900)]
    accounts = json.loads(nameward(stack, "ledger", "--json").stdout)
    (account,) = [one for one in accounts if one["source"] == "capture"]
    assert (account["produced"], account["stored"], account["missing"], account["closed"]) == (900, 900, 0, True)
    question = "SELECT subject FROM nameward.alerts_now WHERE tenant = 'harbor' AND detector = 'heavy_hitters'"
    assert eventually(lambda: stack.sql(question), within=30, what="the tunnel's alert") == [{"subject": "tunnel.example"}]


def test_a_tenant_with_clients_keeps_no_capture_past_its_days(stack: Stack, tmp_path: Path) -> None:
    """What retention will take away is said when it is imported, not found missing an hour later."""
    path = tmp_path / "old.pcap"
    path.write_bytes(pcap(asked("old.example"), 101))
    told = nameward(stack, "import", "--tenant", "acme", "--source", "old", str(path))
    assert (told.returncode, "the tenant keeps 30 days; what is older is taken away within the hour" in told.stdout) == (0, True), told
    assert nameward(stack, "warehouse", "retain").returncode == 0
    assert stack.sql("SELECT count() AS stored FROM nameward.query_events WHERE source = 'old'") in ([{"stored": 0}], [{"stored": "0"}])


def test_what_a_real_server_told_by_dnstap_is_stored_once(stack: Stack, tmp_path: Path) -> None:
    """BIND's file, with and without RD: each question with its answer is one row of the tenant."""
    names = {f"host{number}.example.com": "NOERROR" for number in range(20)} | {"none.missing.test": "NXDOMAIN", "no.failing.test": "SERVFAIL"}
    with authority.running() as upstream, taps.running("named", tmp_path, upstream.port) as (port, file):
        for recursion in (1, 0):
            for name in names:
                question = DNSRecord.question(name)
                question.header.rd = recursion
                DNSRecord.parse(question.send("127.0.0.1", port, timeout=10))
    found = imported(stack, file, "--create-tenant", tenant="office", source="bind")
    assert (found["outcome"], found["unanswered"], found["unasked"]) == ("stored", 0, 0)
    rows = stack.sql(
        "SELECT qname, groupArray(rcode) AS rcodes FROM nameward.query_events"
        " WHERE tenant = 'office' AND source = 'bind' AND client = '127.0.0.1' GROUP BY qname"
    )
    stored = {row["qname"]: row["rcodes"] for row in rows if row["qname"] != taps.UP}
    assert stored.keys() == names.keys()
    assert all(len(rcodes) == 2 and names[name] in rcodes for name, rcodes in stored.items())


def test_a_demo_day_is_played_and_judged(stack: Stack) -> None:
    """An hour of it: all is stored once, the tunnel is found, and there is no second hour before its time."""
    told = nameward(stack, "demo", "traffic", "--hours", "1", "--rate", "0.5", "--json")
    assert told.returncode == 0, told.stderr
    day = json.loads(told.stdout)
    tunnel = next(incident for incident in day["incidents"] if incident["name"] == "tunnel")
    assert [alert["subject"] for alert in tunnel["alerts"]] == [tunnel["subject"]]
    assert day["judged"]
    (account,) = [one for one in json.loads(nameward(stack, "ledger", "--json").stdout) if one["source"] == "demo-traffic"]
    assert (account["stored"], account["missing"], account["duplicates"], account["closed"]) == (day["events"], 0, 0, True)
    again = nameward(stack, "demo", "traffic")
    assert (again.returncode, "goes on from there and needs an hour at least" in again.stderr) == (1, True)
