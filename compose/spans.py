"""Spans of time on the command line: 60s, 5m, 24h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Span(click.ParamType):
    """A span of time; a bare number is seconds.

    Args:
        most: the longest that is taken.
        why: why not longer, as the end of a sentence.
    """

    name = "span"

    def __init__(self, most: timedelta = timedelta(days=36500), why: str = "a century") -> None:
        self._most, self._why = most, why

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:  # noqa: ANN401 - click's signature
        """Text as a span."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value))
        if found is None:
            return self.fail(f"expected a span of time such as 60s, 5m or 1h, got {value!r}", param, ctx)
        seconds = int(found[1]) * _SECONDS[found[2]]
        if seconds > self._most.total_seconds():
            return self.fail(f"expected at most {self._why}; got {value}", param, ctx)
        return timedelta(seconds=seconds)
