"""Query events of many tenants made up for the analysis bench: names, failures, denials and answers mixed as in offices and clusters.

Made up, not captured, from a seed: it says how fast the analysis is, never how well it detects. Of the queries 60 % come
from the cache, 4 % ask names that do not exist (typing errors and search lists), 3 % are denied by a list, 1 % ask for TXT.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.batches import BatchHeader, encode_batch
from schemas.events import SCHEMA
from tests.bench.traffic import coded, constant

CLIENTS, WORKLOADS = 50, 5
_DOMAINS, _HOSTS, _BLOCKED = 3000, 20, 200
_UPSTREAMS = ("udp://192.0.2.53:53", "tls://192.0.2.54:853#dns.example", "https://192.0.2.55:443/dns-query#dns.example")
_BEGIN = ("alpen", "blue", "cargo", "data", "edge", "fast", "green", "harbor", "iron", "jet", "kite", "lumen", "metro", "north", "open", "prime", "quick", "river", "solar", "trade")
_END = ("bank", "cloud", "desk", "farm", "grid", "hub", "labs", "mail", "net", "ops", "pay", "shop", "soft", "store", "works")
_TOPS = ("com", "net", "org", "io", "de", "co.uk", "dev", "app", "fr", "nl")
_FIRST = ("www", "api", "cdn", "mail", "img", "static", "login", "events", "assets", "edge", "s3", "push", "telemetry", "update", "auth", "video", "ads", "sync", "m", "dl")

Codes = NDArray[np.int64]


class TenantTraffic:
    """An endless source of records as one resolver worker publishes them, of so many tenants in equal shares."""

    def __init__(self, tenants: int, *, seed: int = 1, source: str = "bench") -> None:
        self._draw = np.random.default_rng(seed)
        self._tenants = pa.array([f"tenant-{number:04}" for number in range(tenants)])
        self._clients = pa.array([f"10.{tenant // 250}.{tenant % 250}.{client + 2}" for tenant in range(tenants) for client in range(CLIENTS)])
        domains = [f"{begin}{end}.{top}" for top, begin, end in product(_TOPS, _BEGIN, _END)]
        self._domains = pa.array([*domains, "corp.internal", ""])
        self._names = [f"{first}.{domain}" for domain in domains for first in _FIRST]
        self._source, self._sequence = source, 0

    def record(self, rows: int, start: float, seconds: float) -> bytes:
        """The next batch, spread over a span of event time (Unix seconds), as the value of a record."""
        header = BatchHeader(source=self._source, epoch=1, first_sequence=self._sequence, count=rows, partition=0, offered=self._sequence + rows)
        columns = self._columns(rows, start, seconds)
        self._sequence += rows
        return encode_batch(header, columns)

    def _columns(self, rows: int, start: float, seconds: float) -> pa.RecordBatch:
        draw = self._draw
        tenant = draw.integers(0, len(self._tenants), rows)
        fate = draw.choice(3, rows, p=(0.93, 0.04, 0.03))
        domain = np.where(fate == 2, (draw.zipf(1.4, rows) - 1) % _BLOCKED, (draw.zipf(1.25, rows) + _BLOCKED - 1) % _DOMAINS)
        name = domain * _HOSTS + (draw.zipf(1.5, rows) - 1) % _HOSTS
        kind, cached = draw.choice(4, rows, p=(0.65, 0.24, 0.10, 0.01)), draw.random(rows) < 0.62
        texts, own = self._asked(name, fate)
        cells = {
            "time": pa.array(np.sort((start + draw.random(rows) * seconds) * 1e6).astype("int64"), pa.timestamp("us", tz="UTC")),
            "source": constant(self._source, rows), "epoch": pa.array(np.ones(rows, "uint64")), "partition": pa.array(np.zeros(rows, "uint16")),
            "sequence": pa.array(np.arange(self._sequence, self._sequence + rows, dtype="uint64")),
            "tenant": coded(tenant, self._tenants), "client": coded(tenant * CLIENTS + (draw.zipf(1.2, rows) - 1) % CLIENTS, self._clients),
            "workload": coded(draw.integers(0, WORKLOADS, rows), pa.array([f"app-{number}" for number in range(WORKLOADS)])),
            "qname": texts, "registered_domain": coded(np.where(own, len(self._domains) - 2, domain), self._domains),
            "rcode": coded(np.where(fate > 0, fate, np.where(draw.random(rows) < 0.002, 3, 0)), pa.array(["NOERROR", "NXDOMAIN", "NXDOMAIN", "SERVFAIL"])),
            "qtype": coded(kind, pa.array(["A", "AAAA", "HTTPS", "TXT"])), **_answers(domain, kind, fate > 0),
            "answer_source": coded(np.where(fate == 2, 2, np.where(cached, 0, 1)), pa.array(["cache", "upstream", "policy"])),
            "upstream": coded(np.where(cached | (fate == 2), 3, domain % 3), pa.array([*_UPSTREAMS, ""])),
            "latency_us": pa.array(np.where(cached, draw.lognormal(3.5, 0.5, rows), draw.lognormal(8.5, 1, rows)).astype("uint32")),
            "upstream_latency_us": pa.array(np.where(cached, 0, draw.lognormal(8.4, 1, rows)).astype("uint32")),
            "query_size": pa.array(draw.integers(40, 80, rows).astype("uint32")), "response_size": pa.array(draw.integers(60, 300, rows).astype("uint32")),
            "verdict": coded((fate == 2).astype("int64"), pa.array(["allow", "deny"])), "rule": coded((fate == 2).astype("int64"), pa.array(["", "blocked/list"])),
            "tier": coded((fate == 2).astype("int64"), pa.array(["default", "baseline"])), "ede": pa.array(np.where(fate == 2, 15, -1).astype("int32")),
            **{key: constant(value, rows) for key, value in {"transport": "udp", "qclass": "IN", "policy_version": "bench", "ede_text": ""}.items()},
        }  # fmt: skip
        return pa.RecordBatch.from_arrays([cells[field.name] if field.name in cells else _empty(field, rows) for field in SCHEMA], schema=SCHEMA)

    def _asked(self, name: Codes, fate: Codes) -> tuple[pa.Array, NDArray[np.bool_]]:
        """Names; of those that do not exist half are public names tried with a search domain, half are mistyped. Which of them are the former."""
        own = (fate == 1) & (self._draw.random(len(name)) < 0.5)
        texts = np.array(self._names, object)[name]
        wrong = np.flatnonzero(fate == 1)
        letters = self._draw.integers(0, 26, len(wrong))
        texts[wrong] = [f"{text}.corp.internal" if mine else f"{chr(97 + letter)}{text}" for text, mine, letter in zip(texts[wrong], own[wrong], letters, strict=True)]
        return pa.array(texts, pa.string()).dictionary_encode(), own


def _answers(domain: Codes, kind: Codes, failed: NDArray[np.bool_]) -> dict[str, pa.Array]:
    """Two records an answer: addresses of the domain's, or texts; none where it failed."""
    types, ttls = np.array(["A", "AAAA", "HTTPS", "TXT"], object)[kind], np.array([60, 300, 3600], "uint32")[domain % 3]
    data = np.array([[f"93.{number % 200}.{number // 200}.7", f"2600:1f::{number:x}", f"1 . alpn=h2,h3 port={number}", f'"v=spf1 ip4:93.{number % 200}.0.0/16 -all"']
                     for number in range(_DOMAINS)], object)[domain, kind]  # fmt: skip
    offsets = pa.array(np.concatenate([[0], np.cumsum(np.where(failed, 0, 1))]).astype("int32"))
    some = ~failed
    cells = {"answers.type": pa.array(types[some], pa.string()), "answers.data": pa.array(data[some], pa.string()), "answers.ttl": pa.array(ttls[some])}
    return {key: pa.ListArray.from_arrays(offsets, values) for key, values in cells.items()}


def _empty(field: pa.Field, rows: int) -> pa.Array:
    if pa.types.is_map(field.type):
        return pa.array([[("app", "web")]] * rows, field.type)
    if pa.types.is_list(field.type):
        return pa.array([[]] * rows, field.type)
    return pa.array(np.zeros(rows, "int64")).cast(field.type)
