"""Where time goes: functions of the product wrapped for the length of a measurement, each charged with what it does itself."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any


class Stopwatch:
    """Seconds by name; what a wrapped function calls that is wrapped too counts there, not here."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._inner = [0.0]
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Time a function of a class or module until `unwrap`; of a class only where it is its own, not inherited."""
        raw = vars(owner).get(attribute)
        if raw is None:
            return
        original = raw.__func__ if isinstance(raw, (classmethod, staticmethod)) else raw

        @functools.wraps(original)
        def timed(*args: Any, **options: Any) -> Any:
            with self.time(name):
                return original(*args, **options)

        setattr(owner, attribute, type(raw)(timed) if raw is not original else timed)
        self._undo.append(lambda: setattr(owner, attribute, raw))

    @contextlib.contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Charge a block."""
        began = time.process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            took = time.process_time() - began
            own = took - self._inner.pop()
            self._inner[-1] += took
            self.seconds[name] = self.seconds.get(name, 0.0) + own
            self.calls[name] = self.calls.get(name, 0) + 1

    def unwrap(self) -> None:
        """Put everything back."""
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
