"""A table of medians, printed, and kept in RESULTS.md with the command that made it."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass
class Table:
    """Rows of one benchmark: a name and cells; notes say how it was measured and what to make of it."""

    title: str
    columns: tuple[str, ...]
    command: str
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Add a row."""
        self.rows.append(tuple(map(str, cells)))

    def text(self) -> str:
        """Markdown."""
        lines = [f"## {self.title}", "", f"`{self.command}`", "", "| " + " | ".join(self.columns) + " |"]
        lines.append("|" + "---|" + "---:|" * (len(self.columns) - 1))
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([*lines, "", *self.notes, ""])

    def json(self) -> str:
        """One line of JSON with the same numbers."""
        return json.dumps({"title": self.title, "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows]})


def machine() -> str:
    """What the numbers were measured on."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, Linux {platform.release()}"


def write(tables: Sequence[Table]) -> None:
    """Replace the sections of RESULTS.md that were measured now; leave the others."""
    sections = _sections()
    stamp = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}"
    for table in tables:
        sections[table.title] = table.text() + f"\nMeasured {stamp}.\n"
    head = ("# Measured\n\n`make bench` writes this file. Client and servers share a machine: trust ratios within a table, "
            "not numbers across days.\n")
    RESULTS.write_text(head + "\n" + "\n".join(sections.values()))


def _sections() -> dict[str, str]:
    if not RESULTS.exists():
        return {}
    parts = RESULTS.read_text().split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}


def median(values: Sequence[float]) -> float:
    """Median; 0 for no values."""
    return statistics.median(values) if values else 0.0


def thousands(value: float) -> str:
    """A count or rate for people."""
    return f"{value:,.0f}"
