"""One Apache Kafka node in KRaft mode on loopback: its configuration, its storage, and the command line that runs it.

The caller starts the command and stops it with SIGTERM; the data directory may be used again, with its topics,
offsets and records. This module must not know where the jars come from.
"""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

_HEAP = "512m"
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "CLIENT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    # A single node has nobody to hand over to: leave at once.
    "controlled.shutdown.enable": "false",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.segment.bytes": "134217728",
    "num.network.threads": "2",
    "num.io.threads": "2",
}


class NodeError(RuntimeError):
    """The node cannot be prepared; the message says why in one sentence."""


def prepare(jars: Path, directory: Path, port: int) -> list[str]:
    """Write the configuration, format the storage if it is new, and return the command that runs the node.

    Args:
        jars: directory with Kafka's jars.
        directory: the node's own; created if missing.
        port: of the client listener on 127.0.0.1.

    Raises:
        NodeError: if Java is missing or the storage cannot be formatted.
    """
    java = shutil.which("java")
    if java is None:
        raise NodeError("Apache Kafka needs Java 17 or later, and no java is on the path")
    directory.mkdir(parents=True, exist_ok=True)
    properties = directory / "server.properties"
    data = directory / "data"
    properties.write_text(_properties(data, port), encoding="utf-8")
    base = [java, f"-Xmx{_HEAP}", "-Xms128m", "-XX:+UseSerialGC", "-Djava.awt.headless=true"]
    base += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars}/*"]
    if not (data / "meta.properties").exists():
        _format(base, properties)
    return [*base, "kafka.Kafka", str(properties)]


def _properties(data: Path, port: int) -> str:
    controller = _free_port()
    settings = _SETTINGS | {
        "listeners": f"CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": str(data),
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _format(base: list[str], properties: Path) -> None:
    # As Kafka's own ids: 22 characters, and not a dash first, which would be taken for an option.
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    command = [*base, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        *_, reason = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise NodeError(f"Apache Kafka could not format {properties.parent}: {reason}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
