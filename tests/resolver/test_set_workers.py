"""Real workers with a big set: none answers before it has the set, all map one index, a change reaches them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from dnslib import RCODE, DNSRecord

from resolver.policy.store import PolicyStore
from resolver.set_build import SUFFIX
from tests.resolver.path import ask
from tests.resolver.policy.written import NOW, objects
from tests.resolver.worker import WorkerProcess, eventually

POLICY = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme}
spec: {default: allow, clients: [{subnets: [127.0.0.0/8]}]}
---
apiVersion: nameward.io/v1
kind: DomainSet
metadata: {name: big}
spec: {file: {path: big.txt}}
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: p}
spec: {tier: tenant, tenants: [acme], rules: [{name: big, action: deny, match: {domainSets: [big]}}]}
"""
NAMES = 50_000


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[WorkerProcess]]:
    """Two workers of one directory that start from a snapshot, without a broker."""
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "big.txt").write_text("".join(f"n{number}.example\n" for number in range(NAMES)))
    store = PolicyStore()
    for key, obj in objects(POLICY).items():
        store.put(key, obj)
    store.swap(NOW)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "policy.snapshot").write_bytes(store.snapshot())
    made = [WorkerProcess(tmp_path, name=name, domain_sets=str(lists)) for name in ("r1", "r2")]
    yield [worker.start() for worker in made]
    for worker in made:
        worker.end(signal.SIGKILL)


def _rcode(worker: WorkerProcess, name: str) -> str:
    return str(RCODE[DNSRecord.parse(worker.ask(ask(name))).header.rcode])


def _mapped(worker: WorkerProcess, key: str) -> int:
    """Bytes of the index that a worker accounts for, by Rss or by Pss (its share)."""
    assert worker.process is not None
    text = Path(f"/proc/{worker.process.pid}/smaps").read_text()
    (part,) = [part for part in text.split("\nVmFlags") if f"{SUFFIX}\n" in part]
    return next(int(line.split()[1]) for line in part.splitlines() if line.startswith(f"{key}:")) * 1024


def test_workers_share_a_big_set_and_follow_its_file(workers: list[WorkerProcess], tmp_path: Path) -> None:
    """The first answer of each knows the set, their shares of its pages add up to one index, a new file is followed."""
    for worker in workers:
        worker.wait_listening()
        assert [_rcode(worker, f"n{number}.example") for number in (0, NAMES - 1)] == ["NXDOMAIN", "NXDOMAIN"]
        assert _rcode(worker, "other.example") == "SERVFAIL"  # no upstream: it was not denied
        for number in range(0, NAMES, NAMES // 200):
            _rcode(worker, f"n{number}.example")
    (index,) = (tmp_path / "state" / "sets").glob(f"*{SUFFIX}")
    shares = sum(_mapped(worker, "Pss") for worker in workers)
    assert shares <= index.stat().st_size * 1.1
    assert sum(_mapped(worker, "Rss") for worker in workers) > 1.5 * shares
    draft = tmp_path / "draft"
    draft.write_text("other.example\n")
    draft.replace(tmp_path / "lists" / "big.txt")
    for worker in workers:
        eventually(lambda worker=worker: _rcode(worker, "other.example") == "NXDOMAIN")  # type: ignore[misc]
        assert _rcode(worker, "n0.example") == "SERVFAIL"
