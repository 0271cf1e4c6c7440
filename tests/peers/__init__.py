"""Programs of others that the tests talk to: found on the path, or a reason why a test cannot run.

A missing peer is a skip on a developer's machine and a failure where the environment says that it must be there:
``NAMEWARD_REQUIRE=all`` or a comma-separated list of programs. ``install.sh`` beside this file installs them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

INSTALL = Path(__file__).with_name("install.sh")
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def find(program: str) -> str | None:
    """Path of a peer's program, or None."""
    return shutil.which(program, path=_PATH)


def require(program: str) -> str:
    """Path of a peer's program; skips the test when it is missing, or fails it where it is required."""
    path = find(program)
    if path is None:
        missing(program, f"{program} is not installed (see {INSTALL.name} in tests/peers)")
    assert path is not None
    return path


def missing(what: str, reason: str) -> None:
    """Skip, or fail where NAMEWARD_REQUIRE says that this must be there."""
    wanted = os.environ.get("NAMEWARD_REQUIRE", "")
    if wanted == "all" or what in wanted.split(","):
        pytest.fail(f"required here: {reason}")
    pytest.skip(reason)
