"""QueryEvent: one record per client query, holding question, decision, answer and timing.

The field table below is the Arrow schema of a batch on ``dns.events`` and, name by name, the columns of
``nameward.query_events`` in ClickHouse. An unanswered query is an event too: its ``rcode`` is empty.
This module must not know who produces or stores events.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import pyarrow as pa

_TEXT = pa.dictionary(pa.int32(), pa.string())

FIELDS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("time", pa.timestamp("us", tz="UTC"), "when the query arrived"),
    ("source", _TEXT, "resolver that answered; one per worker process slot, stable over restarts"),
    ("epoch", pa.uint64(), "start of the worker process, Unix milliseconds; sequences begin at 0 there"),
    ("partition", pa.uint16(), "partition of dns.events, chosen by tenant"),
    ("sequence", pa.uint64(), "number of the event within (source, epoch); unique there, rising within a partition"),
    ("tenant", _TEXT, "tenant the client belongs to; empty for an unknown client"),
    ("workload", _TEXT, "workload of the client; empty when the tenant names none for it"),
    ("labels", pa.map_(pa.string(), pa.string()), "labels of the workload"),
    ("client", _TEXT, "client address as the tenant's privacy setting shows it; empty when dropped"),
    ("transport", _TEXT, "udp or tcp"),
    ("qname", _TEXT, "name asked, lower case, presentation format, without the final dot (the root is '.')"),
    ("registered_domain", _TEXT, "public suffix plus one label, private suffixes on; empty when there is none"),
    ("qtype", _TEXT, "mnemonic, or TYPEn (RFC 3597)"),
    ("qclass", _TEXT, "mnemonic, or CLASSn (RFC 3597)"),
    ("rcode", _TEXT, "mnemonic of the answer sent; empty when no answer was sent"),
    ("flags", pa.uint16(), "header flags word of the answer sent, of the query if none (RFC 1035 section 4.1.1)"),
    ("answers.type", pa.list_(pa.string()), "types of the records in the answer section"),
    ("answers.data", pa.list_(pa.string()), "their data in presentation format"),
    ("answers.ttl", pa.list_(pa.uint32()), "their TTLs in seconds, as sent"),
    ("answer_source", _TEXT, "policy, virtual, discovery, cache, stale, upstream, limit, error, import or none"),
    ("upstream", _TEXT, "server asked, its URL with the port, as scheme://address:port/path#name; empty when none was"),
    ("latency_us", pa.uint32(), "microseconds from reading the query to handing over the answer"),
    ("upstream_latency_us", pa.uint32(), "microseconds of these spent waiting for upstream"),
    ("query_size", pa.uint32(), "bytes of the query message"),
    ("response_size", pa.uint32(), "bytes of the response message; 0 when none was sent"),
    ("verdict", _TEXT, "allow, deny or redirect"),
    ("rule", _TEXT, "object/rule that gave the verdict; empty for the tenant's default"),
    ("tier", _TEXT, "platform, overlay, tenant, baseline or default"),
    ("audits.rule", pa.list_(pa.string()), "rules in audit mode that matched"),
    ("audits.verdict", pa.list_(pa.string()), "what each of them would have done"),
    ("audits.tier", pa.list_(pa.string()), "tier of each of them"),
    ("tags", pa.list_(pa.string()), "tags given by rules; 'log' where a rule asked to log"),
    ("ede", pa.int32(), "Extended DNS Error sent (RFC 8914); -1 when none"),
    ("ede_text", _TEXT, "its text"),
    ("policy_version", _TEXT, "version of the policy that decided"),
)
"""(name, Arrow type, meaning), in column order."""

SCHEMA: pa.Schema = pa.schema([pa.field(name, kind) for name, kind, _ in FIELDS])


class AnswerRecord(msgspec.Struct, frozen=True):
    """One record of an answer section: type mnemonic, data in presentation format, TTL in seconds."""

    type: str
    data: str
    ttl: int


class AuditVerdict(msgspec.Struct, frozen=True):
    """What a rule in audit mode would have done."""

    rule: str
    verdict: str
    tier: str


class QueryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a batch as a value, for people and tests; the hot paths work on columns (see batches.py)."""

    time: datetime
    source: str
    epoch: int
    partition: int
    sequence: int
    tenant: str
    workload: str
    labels: dict[str, str]
    client: str
    transport: str
    qname: str
    registered_domain: str
    qtype: str
    qclass: str
    rcode: str
    flags: int
    answers: tuple[AnswerRecord, ...]
    answer_source: str
    upstream: str
    latency_us: int
    upstream_latency_us: int
    query_size: int
    response_size: int
    verdict: str
    rule: str
    tier: str
    audits: tuple[AuditVerdict, ...]
    tags: tuple[str, ...]
    ede: int
    ede_text: str
    policy_version: str
