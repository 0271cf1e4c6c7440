"""Typed settings of the streams processes, read once from a YAML file; every error names the file and the key path."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import yaml
from msgspec import Meta

_Positive = Annotated[int, Meta(ge=1)]
_Seconds = Annotated[float, Meta(gt=0)]


class ConfigError(Exception):
    """Settings that cannot be used: one sentence with file, key path and what was expected."""


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is read from a YAML file; unknown keys are errors."""


class StoreSettings(Settings, frozen=True):
    """The embedded store: directory, HTTP address, memory of all queries and of one (MiB), longest query (seconds)."""

    path: str
    address: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8123
    memory_mib: _Positive = 320
    query_mib: _Positive = 200
    query_seconds: _Positive = 60


class KafkaSettings(Settings, frozen=True):
    """The broker and how to speak with it.

    Args:
        bootstrap: ``host:port[,host:port]``.
        session_seconds: a worker silent for so long is taken for dead; the embedded broker waits half of it at a join.
        rebalance_seconds: how long members may take to join again.
        batch_bytes: of a producer's batch. 1 means one record a batch, which the embedded broker needs: it reports the
            end of a partition as the start of its last batch plus one, and tables would recover too little.
    """

    bootstrap: str
    session_seconds: _Seconds = 6.0
    rebalance_seconds: _Seconds = 3.0
    batch_bytes: _Positive = 16384


class WorkerSettings(Settings, frozen=True):
    """A Faust worker, analytics or sink.

    Args:
        kafka: the broker.
        directory: where tables lie; the worker's own.
        warehouse: ``http://host:port`` (the embedded store or a server's HTTP port) or
            ``clickhouse://user:password@host:port`` (native protocol); empty for analytics without durable memory.
        group: consumer group and prefix of changelog topics.
        member: slot name in the group, stable over restarts; by default made from the directory.
        status: Unix socket on which the worker says how it is; empty for none.
        checkpoint_seconds: how often changed state is written to its table.
        batch_seconds, batch_rows: the sink waits this long for more rows of an insert, and takes so many at most.
        learnt_seconds: how often baselines go to the warehouse.
        live_tenants: whose states stay in memory; those of others are read from the table when they are needed.
        log_level: of the worker's log on stderr.
    """

    kafka: KafkaSettings
    directory: str
    warehouse: str = ""
    group: str = ""
    member: str = ""
    status: str = ""
    checkpoint_seconds: _Seconds = 1.0
    batch_seconds: _Seconds = 0.25
    batch_rows: _Positive = 100_000
    learnt_seconds: _Seconds = 60.0
    live_tenants: _Positive = 2000
    log_level: str = "warning"


_S = TypeVar("_S", bound=Settings)


def load(path: Path, kind: type[_S]) -> _S:
    """Settings from a YAML file.

    Raises:
        ConfigError: the file cannot be read or a key is wrong.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {str(error).splitlines()[0]}") from error
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_key_path(str(error))}") from error


def command_line(program: str) -> Path:
    """Path given as ``--config FILE``."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings, YAML")
    path: Path = parser.parse_args().config
    return path


def _key_path(message: str) -> str:
    text, _, at = message.partition(" - at `$")
    return f"{at.strip('`.') or 'document'}: {text}"
