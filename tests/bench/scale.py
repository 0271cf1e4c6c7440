"""What size costs: domain sets of up to a million names, policies of up to ten thousand tenants and a hundred thousand rules."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from resolver.policy.engine import decide
from resolver.policy.store import PolicyStore
from resolver.policy_swap import Swapper
from resolver.set_place import Places
from resolver.tenants import identify
from schemas.objects import DNSPolicy, Metadata, PolicyObject, Tenant, key_of
from schemas.policy_spec import DNSPolicySpec, Rule, RuleMatch
from schemas.set_spec import SetFile
from schemas.tenant_spec import ClientMatch, TenantSpec
from tests.bench.results import Table, median, thousands

_NAMES = (1_000, 10_000, 100_000, 1_000_000)
_WORKERS = (1, 2, 4)
_LOOKUPS = 20_000
_MATRIX = ((10, 100), (10, 1_000), (1_000, 10_000), (10_000, 100_000))
_QUERIES = 20_000
_COMMAND = "python -m tests.bench scale"


def measure(rounds: int, seconds: float) -> list[Table]:
    """Two tables: sets by size, policies by size."""
    return [_sets(rounds), _policies(rounds)]


def _sets(rounds: int) -> Table:
    columns = ("names", "build s", "index MB", *(f"MB, {count} workers" for count in _WORKERS), "hit us", "miss us")
    table = Table("Domain sets by size", columns, _COMMAND)
    for names in _NAMES:
        built, sizes, hits, misses = [], [], [], []
        memory: dict[int, list[float]] = {count: [] for count in _WORKERS}
        for number in range(rounds):
            with tempfile.TemporaryDirectory(prefix="nameward-bench-") as temporary:
                host = _Host(Path(temporary), names, number)
                built.append(host.build())
                sizes.append(sum(path.stat().st_size for path in host.indexes.glob("*.index")) / 1e6)
                for count in _WORKERS:
                    grown, took = host.share(count)
                    memory[count].append(grown)
                hits.append(took["hit"])
                misses.append(took["miss"])
        shown = [f"{median(memory[count]):.1f}" for count in _WORKERS]
        table.add(thousands(names), f"{median(built):.2f}", f"{median(sizes):.1f}", *shown, f"{median(hits):.2f}", f"{median(misses):.2f}")
        print(*table.rows[-1], flush=True)
    table.notes.append("Built in a process of its own, its start included. Memory is what the proportional set sizes of all workers together grow by when "
                       "they map the set and look names up all over it; a lookup walks the suffixes of a name of four labels.")  # fmt: skip
    return table


@dataclass
class _Host:
    """A list of names in a directory, and processes that share its index."""

    directory: Path
    names: int
    seed: int
    indexes: Path = field(init=False)

    def __post_init__(self) -> None:
        self.indexes = self.directory / "indexes"
        self.indexes.mkdir()
        random = Random(self.seed)
        lines = (f"n{number}.z{random.randrange(1 + self.names // 10)}.example.com\n" for number in range(self.names))
        (self.directory / "list").write_text("".join(lines))

    def build(self) -> float:
        """Seconds until the index is there."""
        places, file = Places(self.directory, self.indexes), SetFile(path="list")
        seen = places.look(file)
        begun = time.perf_counter()
        key = places.key_of(seen, file)
        subprocess.run([sys.executable, "-m", "resolver.set_build", seen.path, "names", key, self.indexes], check=True)
        return time.perf_counter() - begun

    def share(self, count: int) -> tuple[float, dict[str, float]]:
        """Megabytes that so many workers grow by together, and microseconds a lookup."""
        step = max(1, self.names // _LOOKUPS)
        command = [sys.executable, "-m", "tests.bench.set_reader", self.directory, self.indexes, "list", str(step)]
        with contextlib.ExitStack() as opened:
            readers = [opened.enter_context(_reader(list(map(str, command)))) for _ in range(count)]
            before = sum(map(_proportional, readers))
            answers = [_say(reader) for reader in readers]  # one after the other: timings do not share a core
            return (sum(map(_proportional, readers)) - before) / 1e6, json.loads(answers[-1])


@contextlib.contextmanager
def _reader(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def _say(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return process.stdout.readline()


def _proportional(process: subprocess.Popen[str]) -> int:
    """Bytes of a process, shared pages divided by those who share them."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def _policies(rounds: int) -> Table:
    columns = ("tenants x rules", "first compilation s", "swap of one object ms", "longest stall ms", "identify us", "decide us")
    table = Table("Policies by size", columns, _COMMAND)
    for tenants, rules in _MATRIX:
        found = [asyncio.run(_Policy(tenants, rules // tenants).measure()) for _ in range(rounds)]
        first, swap, stall, identified, decided = (median(values) for values in zip(*found, strict=True))
        table.add(f"{tenants:,} x {rules:,}", f"{first:.2f}", f"{swap * 1e3:.1f}", f"{stall * 1e3:.1f}", f"{identified:.2f}", f"{decided:.2f}")
        print(*table.rows[-1], flush=True)
    table.notes.append("A stall is how much later than due a task runs that wants its turn every millisecond while one policy among all is replaced; "
                       "identify is of addresses never seen before.")  # fmt: skip
    return table


@dataclass
class _Policy:
    """A policy of so many tenants with so many rules each."""

    tenants: int
    rules: int
    store: PolicyStore = field(default_factory=PolicyStore)

    async def measure(self) -> tuple[float, float, float, float, float]:
        """Seconds of the first compilation and of one swap, its longest stall in seconds, microseconds to identify and decide."""
        swapper = Swapper(self.store, None, time.time)
        for number in range(self.tenants):
            self._put(_tenant(number))
            self._put(_rules(number, self.rules, 0))
        begun = time.perf_counter()
        await swapper.swap()
        first = time.perf_counter() - begun
        gc.collect()
        gc.set_threshold(50_000, 20, 50)  # as the worker does
        gc.freeze()
        swaps, stalls = [], []
        for turn in range(1, 6):
            self._put(_rules(self.tenants // 2, self.rules, turn))
            begun = time.perf_counter()
            stalls.append(await _stall(swapper))
            swaps.append(time.perf_counter() - begun)
        identified, decided = self._ask()
        gc.unfreeze()
        return first, median(swaps), max(stalls), identified, decided

    def _put(self, obj: PolicyObject) -> None:
        self.store.put(key_of(obj), obj)

    def _ask(self) -> tuple[float, float]:
        random, compiled = Random(0), self.store.current
        addresses = [f"10.{number >> 8}.{number & 255}.{random.randrange(256)}" for number in random.choices(range(self.tenants), k=_QUERIES)]
        addresses = [*dict.fromkeys(addresses)]
        begun = time.perf_counter()
        askers = [asker for address in addresses if (asker := identify(compiled, address))]
        identified = (time.perf_counter() - begun) / len(askers)
        names = [f"a.d{random.randrange(2 * self.rules)}x0.example.com" for _ in range(_QUERIES)]
        begun = time.perf_counter()
        for number, name in enumerate(names):
            decide(askers[number % len(askers)], name, "A", "udp", 0.0)
        return identified * 1e6, (time.perf_counter() - begun) / _QUERIES * 1e6


async def _stall(swapper: Swapper) -> float:
    """Seconds by which the latest turn of a ticker was late during a swap."""
    swap, worst = asyncio.create_task(swapper.swap()), 0.0
    while not swap.done():
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - begun - 0.001)
    await swap
    return worst


def _tenant(number: int) -> Tenant:
    clients = [ClientMatch(subnets=[f"10.{number >> 8}.{number & 255}.0/24"])]
    return Tenant(api_version="nameward.io/v1", metadata=Metadata(name=f"t{number}"), spec=TenantSpec(default="allow", clients=clients))


def _rules(number: int, count: int, turn: int) -> DNSPolicy:
    listed = [Rule(name=f"r{place}", action="deny", match=RuleMatch(qname=[f"*.d{place}x{turn}.example.com"])) for place in range(count)]
    spec = DNSPolicySpec(tier="tenant", tenants=[f"t{number}"], rules=listed)
    return DNSPolicy(api_version="nameward.io/v1", metadata=Metadata(name=f"p{number}"), spec=spec)
