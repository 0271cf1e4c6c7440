"""The stack's directory: prepared, locked, told to other commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.failure import Failure
from compose.layout import Endpoints, Layout, endpoints_of, lock
from compose.ports import Address


def layout(directory: Path) -> Layout:
    """A layout with addresses of its own."""
    return Layout(directory, *(Address("127.0.0.1", port) for port in (1, 2, 3, 4)))


def test_other_commands_learn_where_the_stack_listens(tmp_path: Path) -> None:
    """What a stack announces is what other commands use; without a stack they use the defaults."""
    place = layout(tmp_path / "x")
    assert endpoints_of(place.directory) == Endpoints()
    place.prepare()
    place.announce()
    told = endpoints_of(place.directory)
    assert (told.listen, told.admin, told.kafka, told.clickhouse) == tuple(f"127.0.0.1:{port}" for port in (1, 2, 3, 4))


def test_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A directory that cannot be made is named with the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match=r"cannot use .*/file/x as the stack's directory: Not a directory"):
        layout(tmp_path / "file" / "x").prepare()


def test_second_lock_is_refused_with_the_owner(tmp_path: Path) -> None:
    """Two stacks never share a directory; the second is told the pid of the first."""
    with lock(tmp_path), pytest.raises(Failure, match=r"another stack already runs on .* \(pid \d+\)"):
        lock(tmp_path)
    lock(tmp_path).close()


def test_path_too_long_for_unix_sockets_is_refused(tmp_path: Path) -> None:
    """A directory whose sockets could not be bound is refused before anything starts."""
    with pytest.raises(Failure, match="too long for Unix sockets"):
        layout(tmp_path / ("x" * 120)).prepare()


def test_wiping_tables_leaves_the_rest(tmp_path: Path) -> None:
    """Stream state goes, everything else stays."""
    place = layout(tmp_path)
    place.prepare()
    (place.tables / "t").write_text("x")
    (place.store / "s").write_text("x")
    place.wipe_tables()
    assert list(place.tables.iterdir()) == []
    assert (place.store / "s").exists()
