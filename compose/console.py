"""One readable line per event of note: time, component, sentence. Colour where a person looks."""

from __future__ import annotations

import sys
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"note": "", "good": "green", "bad": "bold red", "dim": "dim"}


def printable(text: str) -> str:
    """Text of strangers, safe for a terminal: control characters are shown as escapes."""
    return "".join(character if character.isprintable() else f"\\{ord(character):03d}" for character in text)


class Journal:
    """Prints events and remembers the latest of them for the admin endpoint.

    Args:
        quiet: print nothing but failures.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.recent: deque[str] = deque(maxlen=200)
        self._quiet = quiet
        self._console: Console | None = None

    def say(self, component: str, sentence: str, style: str = "note") -> None:
        """Report one event; style is note, good, bad or dim."""
        clock = datetime.now().astimezone().strftime("%H:%M:%S")
        self.recent.append(f"{clock} {component} {sentence}")
        if self._quiet and style != "bad":
            return
        if not sys.stdout.isatty():
            print(f"{clock}  {component:<10} {sentence}", flush=True)
            return
        from rich.text import Text

        line = Text.assemble((clock, "dim"), "  ", (f"{component:<10}", "cyan"), " ", (sentence, _STYLES[style]))
        self._terminal().print(line, soft_wrap=True, highlight=False)

    def _terminal(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console()
        return self._console
