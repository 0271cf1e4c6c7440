"""`python -m compose.kafka fetch` gets the jars; `run --directory DIR --port PORT` becomes the node until SIGTERM."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from compose.kafka import artifacts, node


@click.group()
def main() -> None:
    """One Apache Kafka node on loopback."""


@main.command()
def fetch() -> None:
    """Fetch Kafka's jars from Maven Central into the user's cache, once."""
    click.echo(artifacts.fetch())


@main.command()
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--port", type=int, default=9092, show_default=True)
def run(directory: Path, port: int) -> None:
    """Become the node: this process turns into Java, so that signals reach Kafka itself."""
    command = node.prepare(artifacts.fetch(), directory.absolute(), port)
    os.execv(command[0], command)  # noqa: S606 - an argument list made here, no shell


if __name__ == "__main__":
    try:
        main()
    except (artifacts.ArtifactsError, node.NodeError) as error:
        sys.exit(f"kafka: {error}")
