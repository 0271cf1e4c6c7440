"""`nameward import` without a stack: dry runs, refusals, and the epoch that makes an import repeatable."""

from __future__ import annotations

import gzip
import json
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner

from compose.import_command import command
from compose.import_file import digest_of, epoch_of
from tests.compose.imports.wire import START, asked, pcap

CAPTURE = pcap([*asked("a.example"), (START + 1, b"\x10 is no packet"), *asked("b.example", START + 60)], 101)
OPTIONS = ["--tenant", "harbor", "--source", "old", "--dry-run"]


def test_a_dry_run_tells_what_an_import_would_do(tmp_path: Path) -> None:
    """Counts, times, and each reason with its place."""
    (tmp_path / "one.pcap").write_bytes(CAPTURE)
    done = CliRunner().invoke(command, [*OPTIONS, str(tmp_path / "one.pcap")])
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[0].endswith("one.pcap: a pcap capture, 5 records, 2 queries: read")
    assert lines[1] == "  2023-11-14 22:13:20 UTC to 2023-11-14 22:14:20 UTC, source old"
    assert lines[2] == "  1 passed over: not an IP packet (packet 3 at byte 166)"


def test_programs_get_the_same_as_json() -> None:
    """Of standard input, compressed."""
    done = CliRunner().invoke(command, [*OPTIONS, "--json", "-"], input=gzip.compress(CAPTURE))
    (found,) = json.loads(done.output)
    assert (found["file"], found["format"], found["records"], found["events"], found["outcome"]) == ("-", "pcap", 5, 2, "read")
    assert found["skipped"]["not an IP packet"]["count"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.pcap"], "missing.pcap: cannot be read: No such file or directory"),
        (["notes.txt"], "notes.txt: this is neither pcap, pcapng, dnstap, Zeek's dns.log nor JSON lines"),
        (["--format", "dnstap", "one.pcap"], "one.pcap: this is not dnstap"),
        (["broken.gz"], "broken.gz: this is compressed data that is damaged from the start"),
        (["--source", "r1", "one.pcap"], "--source 'r1': expected a name"),
        (["--source", "A B", "one.pcap"], "--source 'A B': expected a name"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str) -> None:
    """It names the file and the reason."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.pcap").write_bytes(CAPTURE)
    (tmp_path / "notes.txt").write_text("dear diary\n")
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8bgarbage behind the magic number")
    done = CliRunner().invoke(command, [*OPTIONS, *arguments])
    assert (done.exit_code, done.output.startswith(f"nameward: {sentence}"), done.output.count("\n")) == (1, True, 1)


def test_the_epoch_is_made_of_the_content() -> None:
    """The same content has the same epoch, another one another; all lie in the minute of the first event."""
    first = int(START) * 10**9
    epochs = [epoch_of(first, digest_of(BytesIO(content), "harbor")) for content in (CAPTURE, CAPTURE, CAPTURE + b"x")]
    assert epochs[0] == epochs[1] != epochs[2]
    assert {epoch // 60_000 for epoch in epochs} == {int(START) // 60}
    assert epoch_of(first, digest_of(BytesIO(CAPTURE), "summit")) != epochs[0]
