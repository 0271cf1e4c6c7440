"""A store process for tests, started as users start it, and batches of events to put into it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pyarrow as pa
import yaml

from schemas.batches import BatchHeader, columns_of
from schemas.events import AnswerRecord, AuditVerdict, QueryEvent
from tests.peers.ports import free_port
from tests.streams.child import Child


class Store(Child):
    """``python -m streams.warehouse`` on a port and directory of its own."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self.directory, self.port = directory, free_port()
        directory.mkdir(parents=True, exist_ok=True)
        self.config = directory / "store.yaml"
        self.config.write_text(yaml.safe_dump({"path": str(directory / "store"), "port": self.port, **settings}))

    @property
    def url(self) -> str:
        """Of the HTTP interface."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self.directory / "store.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.warehouse", "--config", str(self.config)], stdout=log, stderr=log
        )
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self.process.poll() is None, (self.directory / "store.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the store did not answer within a minute"
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it answers a ping."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
        with contextlib.suppress(OSError, HTTPException):
            connection.request("GET", "/ping")
            return connection.getresponse().read() == b"Ok.\n"
        return False


@contextlib.contextmanager
def running(directory: Path, **settings: object) -> Iterator[Store]:
    """A store for the time of a with block."""
    store = Store(directory, **settings)
    store.start()
    try:
        yield store
    finally:
        if store.process is not None and store.process.poll() is None:
            store.stop()


def event(sequence: int, **changes: object) -> QueryEvent:
    """One event; keyword arguments replace fields."""
    values: dict[str, object] = {
        "time": datetime(2026, 11, 22, 10, 0, 0, sequence % 1_000_000, UTC),
        "source": "r1",
        "epoch": 1000,
        "partition": 0,
        "sequence": sequence,
        "tenant": "acme",
        "workload": "frontend",
        "labels": {"app": "frontend"},
        "client": "10.1.7.4",
        "transport": "udp",
        "qname": f"n{sequence}.example.com",
        "registered_domain": "example.com",
        "qtype": "A",
        "qclass": "IN",
        "rcode": "NOERROR",
        "flags": 0x8180,
        "answers": (AnswerRecord("A", "192.0.2.1", 300),),
        "answer_source": "cache",
        "upstream": "",
        "latency_us": 50,
        "upstream_latency_us": 0,
        "query_size": 40,
        "response_size": 56,
        "verdict": "allow",
        "rule": "",
        "tier": "default",
        "audits": (AuditVerdict("x/y", "deny", "tenant"),),
        "tags": ("log",),
        "ede": -1,
        "ede_text": "",
        "policy_version": "v1",
    }
    return QueryEvent(**{**values, **changes})  # type: ignore[arg-type]


def batch(first: int, count: int, **changes: object) -> tuple[BatchHeader, pa.RecordBatch]:
    """Header and rows of a batch whose counters say that all until now was published."""
    fields = {
        "source": "r1",
        "epoch": 1000,
        "partition": 0,
        **{k: v for k, v in changes.items() if k in {"source", "epoch", "partition"}},
    }
    counters = {
        "offered": first + count,
        **{k: v for k, v in changes.items() if k in {"offered", "dropped", "acknowledged", "closed"}},
    }
    rows = {k: v for k, v in changes.items() if k not in {"offered", "dropped", "acknowledged", "closed"}}
    columns = columns_of([event(first + n, **{**fields, **rows}) for n in range(count)])
    return BatchHeader(first_sequence=first, count=count, **fields, **counters), columns  # type: ignore[arg-type]
