"""A child process of the tests that can be killed and stopped."""

from __future__ import annotations

import subprocess

from tests.patience import PROCESS_S


class Child:
    """One process at a time; whoever inherits starts it."""

    process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """End it without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PROCESS_S)

    def stop(self) -> int:
        """End it as its supervisor does; the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PROCESS_S)
