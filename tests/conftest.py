"""For all tests: examples of hypothesis may take what time they need, machines are shared and slow."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
