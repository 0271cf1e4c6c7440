"""Composition root of the stream processors: builds a Faust app with its agents, imported and registered by name.

``analytics`` and ``sink`` are two apps in two consumer groups, so that a database outage never delays detection.
"""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import faust
from faust.types import AppT

from schemas.topics import EVENTS
from streams.agents import analytics, sink
from streams.agents.events import Analytics
from streams.config import WorkerSettings
from streams.warehouse import Warehouse

_MIB = 1 << 20
# A record is a batch of thousands of events: few of them are enough to keep a worker busy.
_BUFFERED_RECORDS = 64


def _member(name: str, settings: WorkerSettings) -> str:
    """Slot of a worker by default: one per directory, since no two workers share tables."""
    return f"{name}-{crc32(str(Path(settings.directory).absolute()).encode()):08x}"


TABLE_OPTIONS = {
    "driver": "rocksdict",
    "write_buffer_size": 8 * _MIB,
    "max_write_buffer_number": 2,
    "target_file_size_base": 16 * _MIB,
    "block_cache_size": 16 * _MIB,
    "max_open_files": 256,
}


def build_app(name: str, settings: WorkerSettings, *, partitions: int) -> AppT:
    """A Faust app without agents.

    Args:
        name: ``analytics`` or ``sink``.
        settings: see WorkerSettings.
        partitions: of dns.events; changelogs have as many.
    """
    kafka = settings.kafka
    return faust.App(
        settings.group or f"nameward-{name}",
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap.split(",")],
        store="rocksdb://",
        datadir=Path(settings.directory).absolute(),
        autodiscover=False,
        web_enabled=False,
        topic_partitions=partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        reply_create_topic=False,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        # A slot that returns is the same member: no rebalance, no waiting for its former self to be missed.
        consumer_group_instance_id=settings.member or _member(name, settings),
        consumer_max_fetch_size=4 * _MIB,
        producer_max_request_size=8 * _MIB,
        producer_acks=-1,
        producer_max_batch_size=kafka.batch_bytes,
        broker_session_timeout=kafka.session_seconds,
        broker_heartbeat_interval=min(3.0, kafka.session_seconds / 3),
        broker_rebalance_timeout=kafka.rebalance_seconds,
        broker_request_timeout=max(30.0, kafka.session_seconds + 5),
        broker_commit_interval=1.0,
        broker_max_poll_records=_BUFFERED_RECORDS,
        stream_buffer_maxsize=_BUFFERED_RECORDS,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        table_cleanup_interval=3600.0,
        table_standby_replicas=0,
        worker_redirect_stdouts=False,
    )


def build_sink(
    settings: WorkerSettings, warehouse: Warehouse, *, partitions: int = EVENTS.partitions
) -> tuple[AppT, sink.Sink]:
    """The sink's app, and the Sink its agents share."""
    app = build_app("sink", settings, partitions=partitions)
    return app, sink.register(app, settings, warehouse)


def build_analytics(
    settings: WorkerSettings, warehouse: Warehouse | None, *, partitions: int = EVENTS.partitions
) -> tuple[AppT, Analytics]:
    """The app of analytics, and the Analytics its agents share."""
    app = build_app("analytics", settings, partitions=partitions)
    options = TABLE_OPTIONS
    return app, analytics.register(app, settings, partitions=partitions, table_options=options, warehouse=warehouse)
