"""The real embedded stack in a directory of its own, on ports of its own, run by the interpreter that runs the tests.

Everything goes through what a user has: the command `nameward`, DNS, the admin endpoint, ClickHouse over HTTP, process ids.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.integration import dns
from tests.integration.kafka import ApacheKafka
from tests.patience import PROCESS_S, patient
from tests.peers.ports import free_port

T = TypeVar("T")
READY_WITHIN = 90.0


def eventually(probe: Callable[[], T], *, within: float, what: str = "", every: float = 0.1) -> T:
    """Poll until the probe returns something true; fail with the last value when that takes much longer than ``within`` s."""
    within = patient(within)
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.1f} s: {what or probe}; last seen {value!r}")
        time.sleep(every)


class Stack:
    """A stack that can be started, asked, hurt and stopped."""

    def __init__(self, directory: Path, apache: ApacheKafka | None = None, *, workers: int = 2, options: Sequence[str] = ()) -> None:
        self.directory = directory
        self.options = options
        self.apache = apache
        self.port = free_port()
        self.admin = f"127.0.0.1:{free_port()}"
        self.clickhouse = f"127.0.0.1:{free_port()}"
        self.kafka = apache.bootstrap if apache else f"127.0.0.1:{free_port()}"
        self.workers = workers
        self.output = directory.parent / f"{directory.name}.out"
        self.process: subprocess.Popen[bytes] | None = None

    # --- life -----------------------------------------------------------------------------------------------------

    def up_arguments(self) -> list[str]:
        """Arguments of `nameward up` for this stack."""
        arguments = ["up", "--directory", str(self.directory), "--listen", f"127.0.0.1:{self.port}", "--admin", self.admin]
        arguments += ["--clickhouse", self.clickhouse, "--workers", str(self.workers), *self.options]
        return arguments + (["--broker", self.kafka] if self.apache else ["--kafka", self.kafka])

    def start(self) -> None:
        """Run `nameward up` as a terminal would, in a process group of its own, and wait for /readyz."""
        with self.output.open("ab") as output:
            command = [sys.executable, "-m", "compose.cli", *self.up_arguments()]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        try:
            eventually(self.ready, within=READY_WITHIN, what="/readyz answers 200")
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.words()}") from None

    def ready(self) -> bool:
        """Whether /readyz answers 200; fails at once when the stack has ended."""
        assert self.process is not None
        status = self.process.poll()
        assert status is None, f"nameward up ended with {status}:\n{self.words()}"
        with contextlib.suppress(OSError):
            return self.get("/readyz")[0] == 200
        return False

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the whole process group; the exit status."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PROCESS_S)

    def stop(self) -> None:
        """End the stack, by force if it must be."""
        if self.process is None or self.process.poll() is not None:
            return
        children = self.children()
        try:
            self.interrupt()
        except subprocess.TimeoutExpired:
            for pid in [self.process.pid, *children.values()]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(PROCESS_S)

    def words(self) -> str:
        """What the stack and its children said last."""
        logs = [self.output, *sorted((self.directory / "log").glob("*.log"))]
        return "\n".join(f"--- {log.name}\n{tail(log)}" for log in logs if log.exists())

    # --- processes ------------------------------------------------------------------------------------------------

    def children(self) -> dict[str, int]:
        """Process ids of the running components by name, as /proc and the settings files tell."""
        assert self.process is not None
        found = {}
        for pid in _children_of(self.process.pid):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                settings = [Path(word).stem for word in words if word.endswith(".yaml")]
                found[settings[0] if settings else Path(words[0]).name] = pid
        return found

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to one component; its process id."""
        pid = self.children()[name]
        os.kill(pid, number)
        return pid

    def wait_replaced(self, name: str, pid: int, *, within: float = 60.0) -> None:
        """Wait until another process has taken the place of a killed one and the stack is ready again."""
        eventually(lambda: self.children().get(name, pid) != pid, within=within, what=f"{name} is started again")
        eventually(self.ready, within=within, what="/readyz answers 200 again")

    def resident(self) -> dict[str, float]:
        """Resident memory of every component in MB (proportional, so that shared pages count once)."""
        return {name: _memory_mb(pid, "Pss") for name, pid in self.children().items()}

    def own_memory(self) -> dict[str, float]:
        """Memory of every component that is no file's, in MB: what it takes, whoever else maps the same libraries."""
        return {name: _memory_mb(pid, "Anonymous") for name, pid in self.children().items()}

    # --- asking ---------------------------------------------------------------------------------------------------

    def dig(self, name: str, kind: str = "A", *options: str, client: str = "127.0.1.10") -> dns.Reply:
        """Ask the resolver with dig."""
        return dns.dig(self.port, name, kind, *options, client=client)

    def nameward(self, *arguments: str, stdin: str | None = None, timeout: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `nameward` against this stack's directory; fails with its words unless check is False."""
        words = list(arguments)
        if "--directory" not in words:
            words += ["--directory", str(self.directory)]
        done = subprocess.run([sys.executable, "-m", "compose.cli", *words], input=stdin, capture_output=True, text=True,
                              check=False, timeout=timeout)
        assert not check or done.returncode == 0, f"nameward {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of the admin endpoint."""
        return _http(f"http://{self.admin}{path}")

    def sql(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        """Rows of a query over ClickHouse's HTTP interface; parameters are ``{name:Type}`` in the query."""
        options = {"default_format": "JSONEachRow", "output_format_json_quote_64bit_integers": "0"}
        options |= {f"param_{name}": str(value) for name, value in parameters.items()}
        status, body = _http(f"http://{self.clickhouse}/?{urllib.parse.urlencode(options)}", query.encode())
        assert status == 200, f"{query}: {status} {body}"
        return [json.loads(line) for line in body.splitlines() if line]

    def apply(self, text: str, **places: object) -> str:
        """`nameward policy apply` of YAML text with {{places}} filled in; what it printed."""
        for name, value in places.items():
            text = text.replace("{{" + name + "}}", str(value))
        path = self.directory.parent / f"{self.directory.name}-{time.monotonic_ns()}.yaml"
        path.write_text(text)
        return self.nameward("policy", "apply", str(path)).stdout

    def traces(self) -> str:
        """Logs that hold a traceback; empty when none does."""
        logs = [self.output, *(self.directory / "log").glob("*.log*")]
        return "\n".join(f"{log.name}: {tail(log)}" for log in logs if "Traceback" in log.read_text(errors="replace"))


def tail(path: Path, lines: int = 25) -> str:
    """Last lines of a file."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def _http(url: str, body: bytes | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as response:  # noqa: S310 - http of our own stack
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _children_of(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)


def _memory_mb(pid: int, kind: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) / 1024
    return 0.0


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
