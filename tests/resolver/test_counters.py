"""Counters outlive a killed worker, once, and only one process holds a source."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resolver.counters import Counters, Predecessor, SourceInUseError

_VICTIM = """
import sys, time
from pathlib import Path
from resolver.counters import Counters
counters = Counters(Path(sys.argv[1]), "r1", 1000)
counters.offered.value, counters.dropped.value, counters.acknowledged.value = 70, 20, 10
print("counted", flush=True)
time.sleep(60)
"""


def test_a_killed_worker_leaves_its_counts(tmp_path: Path) -> None:
    """kill -9: the successor reads what was counted until then; forgotten, it is gone for good."""
    victim = subprocess.Popen([sys.executable, "-c", _VICTIM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "counted\n"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    successor = Counters(tmp_path, "r1", 2000)
    assert successor.predecessors() == [Predecessor(1000, 70, 20, 10)]
    successor.forget(1000)
    assert successor.predecessors() == []
    successor.close()


def test_several_killed_in_a_row_are_all_remembered(tmp_path: Path) -> None:
    """Nobody's last word is lost when a successor dies before saying it."""
    for epoch in (1000, 2000, 3000):
        counters = Counters(tmp_path, "r1", epoch)
        counters.offered.value = epoch
        counters.close()
    last = Counters(tmp_path, "r1", 4000)
    assert [(old.epoch, old.offered) for old in last.predecessors()] == [(1000, 1000), (2000, 2000), (3000, 3000)]
    last.close()


def test_a_source_belongs_to_one_process(tmp_path: Path) -> None:
    """A second worker under the same name is refused with a sentence; another name is free."""
    first = Counters(tmp_path, "r1", 1000)
    with pytest.raises(SourceInUseError, match="'r1' is in use by another process"):
        Counters(tmp_path, "r1", 2000)
    Counters(tmp_path, "r2", 2000).close()
    first.close()
    Counters(tmp_path, "r1", 3000).close()


def test_epochs_rise_even_when_the_clock_does_not(tmp_path: Path) -> None:
    """(source, epoch, sequence) must be unique: a clock set back does not reuse an epoch."""
    Counters(tmp_path, "r1", 5000).close()
    again = Counters(tmp_path, "r1", 4000)
    assert again.epoch == 5001
    again.close()


def test_a_torn_file_counts_as_zeros(tmp_path: Path) -> None:
    """A file cut short by a full disk is no reason not to start."""
    (tmp_path / "r1").mkdir()
    (tmp_path / "r1" / "1000").write_bytes(b"\x05")
    counters = Counters(tmp_path, "r1", 2000)
    assert counters.predecessors() == [Predecessor(1000, 5, 0, 0)]
    counters.close()
