"""Tables survive the loss of their log: values stay, offsets go."""

from __future__ import annotations

from pathlib import Path

from rocksdict import Options, Rdict

from streams.tables import forget_offsets


def test_values_stay_and_offsets_go(tmp_path: Path) -> None:
    """Every table below the directory forgets its offset and nothing else; doing it twice changes nothing."""
    for name in ("a-0.db", "a-1.db"):
        table = Rdict(str(tmp_path / "v1" / "tables" / name), options=Options(raw_mode=True))
        table[b"__faust\0offset__"] = b"17"
        table[b"acme"] = b"state"
        table.close()
    assert forget_offsets(tmp_path) == 2
    assert forget_offsets(tmp_path) == 2
    for name in ("a-0.db", "a-1.db"):
        table = Rdict(str(tmp_path / "v1" / "tables" / name), options=Options(raw_mode=True))
        assert b"__faust\0offset__" not in table
        assert table[b"acme"] == b"state"
        table.close()


def test_directory_without_tables(tmp_path: Path) -> None:
    """A first start has no tables to touch."""
    assert forget_offsets(tmp_path) == 0
    assert forget_offsets(tmp_path / "missing") == 0
