"""Query events made up for the benchmarks, with a seed: tenants, workloads and names as skewed as real ones, few failures.

Made up, not captured: it says how fast the streams are, never how well they detect.
"""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa

from schemas.events import SCHEMA
from schemas.topics import partition_of

TENANTS = 20
_CLIENTS = 50
_DOMAINS = 3000
_HOSTS = 20


class Traffic:
    """An endless source of batches for one partition, with rising sequences."""

    def __init__(self, partitions: int, partition: int, *, seed: int = 1, source: str = "bench") -> None:
        self._draw = np.random.default_rng(seed + partition)
        self._partition = partition
        self._source = source
        tenants = [f"tenant-{number}" for number in range(TENANTS)]
        self._tenants = [name for name in tenants if partition_of(name, partitions) == partition] or tenants[:1]
        self._domains = pa.array([f"domain-{number}.example" for number in range(_DOMAINS)])
        self._names = pa.array([f"host-{host}.domain-{number}.example" for number in range(_DOMAINS) for host in range(_HOSTS)])
        self._clients = pa.array([f"10.1.{number // 250}.{number % 250}" for number in range(_CLIENTS)])
        self.epoch = int(time.time() * 1000)
        self.sequence = 0

    def batch(self, rows: int, start: float, seconds: float) -> pa.RecordBatch:
        """Rows spread over a span of event time (Unix seconds)."""
        draw = self._draw
        domain = (draw.zipf(1.3, rows) - 1) % _DOMAINS
        name = domain * _HOSTS + (draw.zipf(1.5, rows) - 1) % _HOSTS
        missing = draw.random(rows) < 0.03
        times = np.sort((start + draw.random(rows) * seconds) * 1e6).astype("int64")
        columns = {
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "source": constant(self._source, rows), "epoch": pa.array(np.full(rows, self.epoch, "uint64")),
            "partition": pa.array(np.full(rows, self._partition, "uint16")),
            "sequence": pa.array(np.arange(self.sequence, self.sequence + rows, dtype="uint64")),
            "tenant": coded(draw.integers(0, len(self._tenants), rows), pa.array(self._tenants)),
            "client": coded(draw.integers(0, _CLIENTS, rows), self._clients),
            "qname": coded(name, self._names), "registered_domain": coded(domain, self._domains),
            "rcode": coded(missing.astype("int32"), pa.array(["NOERROR", "NXDOMAIN"])),
            "qtype": coded((draw.random(rows) < 0.3).astype("int32"), pa.array(["A", "AAAA"])),
            "answers.type": _lists(["A"], rows), "answers.data": _lists(["192.0.2.1"], rows),
            "answers.ttl": pa.array([[300]] * rows, pa.list_(pa.uint32())),
            "latency_us": pa.array(draw.lognormal(4, 1, rows).astype("uint32")),
            "answer_source": coded((draw.random(rows) < 0.2).astype("int32"), pa.array(["cache", "upstream"])),
            "ede": pa.array(np.full(rows, -1, "int32")),
        }
        self.sequence += rows
        texts = {"workload": "web", "transport": "udp", "qclass": "IN", "verdict": "allow", "tier": "default", "policy_version": "bench"}
        columns |= {key: constant(value, rows) for key, value in texts.items()}
        columns["labels"] = pa.array([[("app", "web")]] * rows, pa.map_(pa.string(), pa.string()))
        return pa.RecordBatch.from_arrays([columns.get(field.name, None) if field.name in columns else _empty(field, rows) for field in SCHEMA], schema=SCHEMA)


def coded(codes: np.ndarray, values: pa.Array) -> pa.Array:
    """A dictionary column of these codes, as a resolver builds it: only values that occur."""
    used, codes = np.unique(codes, return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype("int32")), values.take(pa.array(used)))


def constant(value: str, rows: int) -> pa.Array:
    """A dictionary column of one value."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, "int32")), pa.array([value]))


def _lists(value: list[str], rows: int) -> pa.Array:
    return pa.array([value] * rows, pa.list_(pa.string()))


def _empty(field: pa.Field, rows: int) -> pa.Array:
    if pa.types.is_dictionary(field.type):
        return constant("", rows)
    if pa.types.is_list(field.type):
        return pa.array([[]] * rows, field.type)
    return pa.array(np.zeros(rows), field.type, safe=False) if not pa.types.is_integer(field.type) else pa.array(np.zeros(rows, "int64")).cast(field.type)
