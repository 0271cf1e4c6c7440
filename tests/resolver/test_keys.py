"""The key of pseudonyms: made once, kept private, never silently weak."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resolver.keys import load_key


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """Workers that start together share one key, readable by its owner alone."""
    path = tmp_path / "pseudonym.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_key(path, make=True), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_named_key_must_be_there_whole_and_private(tmp_path: Path) -> None:
    """A key file that is named is never made, and a bad one is said to be bad."""
    path = tmp_path / "key"
    with pytest.raises(FileNotFoundError):
        load_key(path, make=False)
    path.touch(mode=0o600)
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="must hold 32 bytes, it holds 5"):
        load_key(path, make=False)
    path.write_bytes(bytes(range(32)))
    path.chmod(0o644)
    with pytest.raises(ValueError, match="can be read by others"):
        load_key(path, make=False)
