"""A load that forgets nothing: a process that asks at a steady rate and writes down every query, when, and its answer.

``python -m tests.integration.steady`` reads a plan from standard input, asks until that is closed (it says so when all is
on its way), waits for what is still owed and writes its record. At most `WINDOW` queries are without an answer at a time, so that no socket's buffer
overflows on a machine that pauses: a query without an answer was lost by the resolver. Times are of CLOCK_MONOTONIC, which
all processes share.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from tests.integration import dns
from tests.patience import PROCESS_S

WINDOW = 256
_SOCKETS = {"udp": 8, "tcp": 2}
_BURST = 64
_ARREARS_NS = 50_000_000
_OWED_S = 8.0
_S = 10**9


class Question(msgspec.Struct, frozen=True):
    """What is asked from which address; `subject` is what its answer depends on, `share` how often it is asked."""

    subject: str
    name: str
    client: str
    transport: str = "udp"
    share: int = 10


class Plan(msgspec.Struct, frozen=True):
    """Queries a second to a port on loopback; the file to write the record to."""

    port: int
    rate: int
    questions: list[Question]
    record: str


class Record(msgspec.Struct):
    """By query: number of its question, nanoseconds at which it was sent and answered (0: never), number of its answer.

    answers: without their ids. strays: what answered nothing that was owed, such as a second answer.
    """

    question: list[int] = []
    sent: list[int] = []
    received: list[int] = []
    answer: list[int] = []
    answers: list[bytes] = []
    strays: int = 0

    @property
    def rate(self) -> float:
        """Queries a second that were really sent."""
        return len(self.sent) * _S / (self.sent[-1] - self.sent[0])


class Channel:
    """One socket, and the queries on it that are without an answer."""

    def __init__(self, question: Question, port: int) -> None:
        self._stream = question.transport == "tcp"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if self._stream else socket.SOCK_DGRAM)
        self.socket.bind((question.client, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.owed: dict[bytes, int] = {}
        self._asked, self._rest = 0, b""

    def ask(self, tail: bytes, number: int) -> None:
        """Send a query under the next id."""
        ident = (self._asked & 0xFFFF).to_bytes(2, "big")
        self._asked += 1
        self.owed[ident] = number
        message = ident + tail
        self.socket.send(len(message).to_bytes(2, "big") + message if self._stream else message)

    def messages(self) -> list[bytes]:
        """What has come."""
        found = []
        with contextlib.suppress(BlockingIOError):
            if self._stream:
                self._rest += self.socket.recv(65536)
            while not self._stream:
                found.append(self.socket.recv(65535))
        while len(self._rest) > 2 and len(self._rest) >= (end := 2 + int.from_bytes(self._rest[:2], "big")):
            found.append(self._rest[2:end])
            self._rest = self._rest[end:]
        return found


class Asking:
    """The load at work."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self.record = plan, Record()
        draw = random.Random(1)
        self._turns = [number for number, question in enumerate(plan.questions) for _ in range(question.share)]
        draw.shuffle(self._turns)
        self._tails = [dns.question(question.name, edns=False)[2:] for question in plan.questions]
        self._channels: dict[tuple[str, str], list[Channel]] = {}
        self._by_file: dict[int, Channel] = {}
        self._poll = select.epoll()
        for question in plan.questions:
            key = question.client, question.transport
            if key not in self._channels:
                self._channels[key] = [Channel(question, plan.port) for _ in range(_SOCKETS[question.transport])]
                for channel in self._channels[key]:
                    self._by_file[channel.socket.fileno()] = channel
                    self._poll.register(channel.socket, select.EPOLLIN)
        self._of_question = [self._channels[question.client, question.transport] for question in plan.questions]
        self._known: dict[bytes, int] = {}
        self._owed = 0

    def run(self, stop: int) -> Record:
        """Ask until the file `stop` is at its end."""
        self._poll.register(stop, select.EPOLLIN | select.EPOLLHUP)
        begin, sent = time.monotonic_ns(), 0
        while self._listen(0.001):
            now = time.monotonic_ns()
            due = (now - begin) * self._plan.rate // _S - sent
            begin += max(0, due * _S // self._plan.rate - _ARREARS_NS)  # what could not be asked in time is not made up for
            for _ in range(min(due, _BURST, WINDOW - self._owed)):
                self._ask(sent)
                sent += 1
                if sent == len(self._turns):
                    sys.stdout.write("everything was asked\n")
                    sys.stdout.flush()
        self._poll.unregister(stop)
        deadline = time.monotonic() + _OWED_S
        while self._owed and time.monotonic() < deadline:
            self._listen(0.05)
        self._listen(0.2)  # for what nobody asked
        self.record.answers = list(self._known)
        return self.record

    def _ask(self, number: int) -> None:
        question = self._turns[number % len(self._turns)]
        channels, record = self._of_question[question], self.record
        record.question.append(question)
        record.sent.append(time.monotonic_ns())
        record.received.append(0)
        record.answer.append(-1)
        channels[number % len(channels)].ask(self._tails[question], number)
        self._owed += 1

    def _listen(self, seconds: float) -> bool:
        """Take down what comes; False at the end of the file that says when to stop."""
        going, record = True, self.record
        for file, _ in self._poll.poll(seconds):
            channel = self._by_file.get(file)
            if channel is None:
                going = False
                continue
            messages, now = channel.messages(), time.monotonic_ns()
            for message in messages:
                number = channel.owed.pop(message[:2], -1)
                if number < 0:
                    record.strays += 1
                    continue
                self._owed -= 1
                record.received[number] = now
                record.answer[number] = self._known.setdefault(message[2:], len(self._known))
        return going


class Load:
    """The process, seen from the test: it has asked everything once when this is made."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._process = subprocess.Popen([sys.executable, "-m", "tests.integration.steady"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(plan) + b"\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline(), "the load ended before it began"

    def finish(self) -> Record:
        """Stop asking; what was asked and answered."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(PROCESS_S) == 0
        return msgspec.msgpack.decode(Path(self._plan.record).read_bytes(), type=Record)

    def kill(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.wait(PROCESS_S)


def main() -> None:
    """Ask as the plan says."""
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    record = Asking(plan).run(sys.stdin.fileno())
    Path(plan.record).write_bytes(msgspec.msgpack.encode(record))


if __name__ == "__main__":
    main()
