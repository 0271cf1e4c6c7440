"""Kafka's jars: one version in one place, fetched once, and a sentence when they cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.kafka import artifacts


def test_version_is_of_the_fourth_generation() -> None:
    """The pom names one 4.x version, and the cache's directory carries it."""
    assert artifacts.version().startswith("4.")
    assert artifacts.jars_directory().name == f"kafka-{artifacts.version()}"


def test_jars_in_the_cache_are_used_without_maven(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is fetched when the jars are there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    artifacts.jars_directory().mkdir(parents=True)
    artifacts.jars_directory().joinpath("kafka_2.13-4.jar").touch()
    assert artifacts.fetch() == artifacts.jars_directory()


def test_missing_maven_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without jars and without Maven the error says which of the two is missing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(artifacts.ArtifactsError, match="Maven"):
        artifacts.fetch()


def test_failing_maven_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Maven's first line becomes the error, and no half-filled directory stays in the cache."""
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text("#!/bin/sh\necho '[ERROR] no such host'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{maven.parent}:/bin:/usr/bin")
    with pytest.raises(artifacts.ArtifactsError, match="no such host"):
        artifacts.fetch()
    assert list((tmp_path / "cache" / "nameward").iterdir()) == []
