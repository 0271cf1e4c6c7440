"""Apache Kafka's jars: asked of Maven once, kept in the user's cache, found there ever after.

What is fetched stands in pom.xml beside this file. This module must not know how a node is run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

POM = Path(__file__).with_name("pom.xml")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_NAMESPACE = {"m": "http://maven.apache.org/POM/4.0.0"}


class ArtifactsError(RuntimeError):
    """Kafka's jars are not here and could not be fetched; the message says why in one sentence."""


def version() -> str:
    """Version of Apache Kafka that pom.xml names."""
    root = ET.parse(POM).getroot()  # noqa: S314 - reads only the pom.xml shipped beside this file
    found = root.findtext("m:dependencies/m:dependency[m:artifactId='kafka_2.13']/m:version", namespaces=_NAMESPACE)
    if not found:
        raise ArtifactsError(f"{POM} names no version of kafka_2.13")
    return found


def jars_directory() -> Path:
    """Directory that holds the jars once fetched: ``$XDG_CACHE_HOME/nameward/kafka-VERSION``."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "nameward" / f"kafka-{version()}"


def fetch() -> Path:
    """Directory with Kafka's jars, fetched with Maven unless they are here already.

    Raises:
        ArtifactsError: if Maven is missing or fails.
    """
    target = jars_directory()
    if any(target.glob("kafka_*.jar")):
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise ArtifactsError("Apache Kafka's jars are not in the cache and Maven (mvn) is not installed to fetch them")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as staging:
        _copy_dependencies(maven, Path(staging))
        try:
            # One rename, so that a second process never sees half of the jars.
            (Path(staging) / "jars").rename(target)
        except OSError:
            if not any(target.glob("kafka_*.jar")):
                raise
    return target


def _copy_dependencies(maven: str, staging: Path) -> None:
    where = f"-DoutputDirectory={staging / 'jars'}"
    command = [maven, "-q", "-B", "-f", str(POM), _COPY, where, "-DincludeScope=runtime"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason, *_ = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        raise ArtifactsError(f"Maven could not fetch Apache Kafka {version()}: {reason}")
