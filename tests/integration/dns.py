"""Asking the running resolver: dig for people's commands, raw bytes where every octet counts."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
from dataclasses import dataclass, field

from tests import peers
from tests.patience import PROCESS_S

_STATUS = re.compile(r"status: (\w+), id: (\d+)")
_EDE = re.compile(r"; EDE: (\d+)[^:\n]*(?:: \((.*)\))?")


@dataclass
class Reply:
    """What dig printed, read: rcode, flags, sections as (name, ttl, type, data), Extended DNS Error."""

    text: str
    rcode: str = ""
    flags: tuple[str, ...] = ()
    answer: list[tuple[str, int, str, str]] = field(default_factory=list)
    authority: list[tuple[str, int, str, str]] = field(default_factory=list)
    ede: int = -1
    ede_text: str = ""

    @property
    def data(self) -> list[str]:
        """Data of the answer section, sorted."""
        return sorted(record[3] for record in self.answer)


def dig(port: int, name: str, kind: str = "A", *options: str, client: str = "127.0.1.10", server: str = "127.0.0.1") -> Reply:
    """Ask with dig from a client address; an unanswered query has an empty rcode."""
    command = [peers.require("dig"), "-b", client, "-p", str(port), f"@{server}", name, kind, "+tries=1", "+time=20", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PROCESS_S)
    return read(done.stdout)


def read(text: str) -> Reply:
    """Read dig's output."""
    reply = Reply(text)
    section: list[tuple[str, int, str, str]] | None = None
    for line in text.splitlines():
        if found := _STATUS.search(line):
            reply.rcode = found[1]
        elif line.startswith(";; flags:"):
            reply.flags = tuple(line.split(";")[2].removeprefix(" flags:").split())
        elif found := _EDE.match(line):
            reply.ede, reply.ede_text = int(found[1]), found[2] or ""
        elif line.startswith(";; "):
            section = {";; ANSWER SECTION:": reply.answer, ";; AUTHORITY SECTION:": reply.authority}.get(line)
        elif section is not None and line and not line.startswith(";"):
            name, ttl, _, kind, data = line.split(None, 4)
            section.append((name, int(ttl), kind, data))
    return reply


def question(name: str, kind: int = 1, *, ident: int = 0x1234, edns: bool = True, flags: int = 0x0100) -> bytes:
    """A query as bytes, with RD set and an OPT record of 1232 bytes."""
    wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0) if edns else b""
    return struct.pack("!6H", ident, flags, 1, 0, 0, int(edns)) + wire + struct.pack("!HH", kind, 1) + opt


def ask(port: int, message: bytes, *, client: str = "127.0.1.10", timeout: float = 20.0) -> bytes | None:
    """Send one datagram from a client address and return the answer, or None when none came in time (seconds)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((client, 0))
        sock.settimeout(timeout)
        sock.sendto(message, ("127.0.0.1", port))
        try:
            return sock.recv(65535)
        except TimeoutError:
            return None


def ask_stream(port: int, message: bytes, *, client: str = "127.0.1.10", timeout: float = 20.0) -> bytes:
    """Send one message over TCP and return the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout, source_address=(client, 0)) as sock:
        sock.sendall(struct.pack("!H", len(message)) + message)
        with sock.makefile("rb") as stream:
            return stream.read(int.from_bytes(stream.read(2), "big"))
