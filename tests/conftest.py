"""For all tests: examples of hypothesis may take what time they need, machines are shared and slow.

Where a change is judged (NAMEWARD_REQUIRE) they are the same each time, so that a change is not refused for what it did
not touch; everywhere else they are new each time, and find what nobody thought of.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("patient", deadline=None, derandomize=bool(os.environ.get("NAMEWARD_REQUIRE")))
settings.load_profile("patient")
