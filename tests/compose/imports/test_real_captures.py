"""Real captures that may lie beside the project, against what tcpdump reads in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from compose.imports import Observed, Report, in_order, observe
from tests.streams.events import CAPTURES

FILES = ["tunnels/dns2tcp-key.pcap", "tunnels/dnscat2-cname.pcap", "benign/recursive_2023-08-05_150331.pcap", "benign/recursive_2023-08-06_101852.pcap"]
ASKED = re.compile(r" > \S+?[.:](?:53|domain): .*?\d+[+*%$|]* (?:\[\S+\] )?([A-Za-z0-9]+)\? (\S+)")


def capture(name: str) -> Path:
    """A capture, or a skip that says why."""
    path = CAPTURES / name
    if not path.exists():
        pytest.skip(f"capture {name} is not in {CAPTURES}: it may not be shipped with the project")
    return path


def found_in(path: Path) -> tuple[list[Observed], Report]:
    """Everything our readers find."""
    report = Report()
    with path.open("rb") as stream:
        return list(in_order(observe(stream, report), report)), report


@pytest.mark.parametrize("name", FILES)
def test_queries_are_those_that_tcpdump_sees(name: str) -> None:
    """Name by name and type by type, however often; names are compared where tcpdump shows them whole."""
    path = capture(name)
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed: tests/peers/install.sh installs it")
    text = subprocess.run(["tcpdump", "-nn", "-r", str(path), "udp dst port 53"], capture_output=True, check=True).stdout.decode("latin-1")
    seen = Counter((kind, asked.lower().removesuffix(".") or ".") for kind, asked in ASKED.findall(text))
    events, report = found_in(path)
    ours = Counter((event.template.qtype, event.template.qname) for event in events)
    assert sum(seen.values()) == report.events - report.unasked
    plain = {key: count for key, count in ours.items() if re.fullmatch(r"[a-z0-9._+/-]+", key[1]) and not key[0].startswith("TYPE")}
    assert len(plain) > len(ours) * 0.95
    assert [key for key, count in plain.items() if not seen[key] <= count <= seen[key] + report.unasked] == []
    assert (report.bad, report.disordered) == ({}, 0)


def test_an_office_hour_of_zeek_is_read_whole() -> None:
    """Every record that names what was asked."""
    events, report = found_in(capture("benign/office-hour.zeek-dns.log.gz"))
    assert (report.records, len(events), report.bad, report.disordered) == (3189, 3182, {}, 0)
    kinds = Counter(kind for event in events for kind, _, _ in event.template.answers)
    assert set(kinds) == {"A", "AAAA", "CNAME", "PTR"}
