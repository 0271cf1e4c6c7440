"""Settings of the streams processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.config import ConfigError, StoreSettings, WorkerSettings, load


def test_a_worker_needs_a_broker_and_a_directory(tmp_path: Path) -> None:
    """Everything else has a default."""
    file = tmp_path / "w.yaml"
    file.write_text("kafka: {bootstrap: 'localhost:9092'}\ndirectory: tables\n")
    settings = load(file, WorkerSettings)
    assert settings.kafka.bootstrap == "localhost:9092"
    assert settings.batch_seconds == 0.25


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path: x\nport: high\n", "port: Expected `int`, got `str`"),
        ("path: x\nport: 0\n", "port: Expected `int` >= 1"),
        ("port: 8123\n", "document: Object missing required field `path`"),
        ("path: x\npots: 8123\n", "document: Object contains unknown field `pots`"),
        ("path: [x\n", "is not YAML"),
        ("", "document: Expected `object`, got `null`"),
    ],
)
def test_an_error_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    """One sentence: the file, the key path, what was expected."""
    file = tmp_path / "store.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, StoreSettings)
    assert str(caught.value).startswith(f"{file}: {said}")
    assert "\n" not in str(caught.value)


def test_an_error_names_a_nested_key(tmp_path: Path) -> None:
    """The path goes all the way down."""
    file = tmp_path / "w.yaml"
    file.write_text("kafka: {bootstrap: x, session_seconds: -1}\ndirectory: d\n")
    with pytest.raises(ConfigError, match=r"kafka\.session_seconds: Expected `float` > 0"):
        load(file, WorkerSettings)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """No traceback for a wrong path."""
    with pytest.raises(ConfigError, match="nowhere.yaml: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml", StoreSettings)
