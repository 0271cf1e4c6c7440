"""For all tests: their order, and that examples of hypothesis may take what time they need: machines are shared and slow.

Where a change is judged (NAMEWARD_REQUIRE) they are the same each time, so that a change is not refused for what it did
not touch; everywhere else they are new each time, and find what nobody thought of.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

LONG = {"integration", "test_stopping.py", "test_workers.py", "test_broker_memory.py", "test_node.py", "test_app.py"}

settings.register_profile("patient", deadline=None, derandomize=bool(os.environ.get("NAMEWARD_REQUIRE")))
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts whole stacks comes first, so that of several processes none is busy long after the others are done."""
    items.sort(key=lambda item: LONG.isdisjoint(item.path.parts))
