"""The log of a worker: one line an event on standard error, the same line not again and again."""

from __future__ import annotations

import logging
import sys

_REPEAT_S = 30.0
_KNOWN_LINES = 256


class OnceInAWhile(logging.Filter):
    """Lets the same line through once in 30 s; clients of an absent broker repeat themselves ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is worth a line."""
        line = record.getMessage()
        if record.created - self._said.get(line, 0.0) < _REPEAT_S:
            return False
        if len(self._said) > _KNOWN_LINES:
            self._said.clear()
        self._said[line] = record.created
        return True


def log_to_stderr(level: str) -> None:
    """Write what is at least as grave as a level."""
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(OnceInAWhile())
