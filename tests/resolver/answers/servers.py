"""Upstream servers for tests: real sockets on one port over UDP and TCP or TLS, behaving as each test says."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from resolver.framing import Deframer, frame
from resolver.names import name_wire
from resolver.tenant_view import Server, UpstreamGroupView

Behaviour = Callable[[bytes, str], bytes | list[bytes] | None]
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def query(name: str = "www.example.com", qtype: int = 1) -> bytes:
    """A query with id 0 as the handler hands it down."""
    return b"\0\0\x01\x20\0\1\0\0\0\0\0\1" + name_wire(name) + qtype.to_bytes(2, "big") + b"\0\1" + OPT


def respond(message: bytes, *, rcode: int = 0, tc: bool = False, question: bytes | None = None) -> bytes:
    """A response without records to this query."""
    end = message.index(0, 12) + 5
    asked = message[12:end] if question is None else question
    return message[:2] + bytes([0x81 | tc << 1, 0x80 | rcode]) + b"\0\1\0\0\0\0\0\1" + asked + OPT


@dataclass
class Upstream:
    """A server that can be asked.

    Attributes:
        behaviour: (query, transport) -> response(s) or None for silence.
        asked: (transport, query, client port) in order.
        connections: TCP connections made to it.
        sessions: of those over TLS, (protocol agreed on, whether an earlier session was resumed).
        close_after: answers after which it closes a connection; 0 for never.
    """

    port: int
    behaviour: Behaviour
    asked: list[tuple[str, bytes, int]] = field(default_factory=list)
    connections: int = 0
    sessions: list[tuple[str | None, bool]] = field(default_factory=list)
    close_after: int = 0

    def server(self, scheme: str = "udp", name: str = "", ca_file: str = "") -> Server:
        """As a tenant names it."""
        path = "/dns-query" if scheme == "https" else ""
        return Server(scheme, "127.0.0.1", self.port, f"{scheme}://127.0.0.1:{self.port}", name, path, ca_file)

    def answers(self, message: bytes, transport: str, port: int) -> list[bytes]:
        """What to send back."""
        self.asked.append((transport, message, port))
        found = self.behaviour(message, transport)
        return found if isinstance(found, list) else [found] if found is not None else []


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for response in self._upstream.answers(data, "udp", addr[1]):
            self._transport.sendto(response, addr)


@asynccontextmanager
async def upstream(
    behaviour: Behaviour = lambda message, _: respond(message), *, udp: bool = True, tcp: bool = True,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Upstream]:
    """A running server."""
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    made = Upstream(listening.getsockname()[1], behaviour)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        if secured := writer.get_extra_info("ssl_object"):
            made.sessions.append((secured.selected_alpn_protocol(), secured.session_reused))
        deframer, answered = Deframer(), 0
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                for message in deframer.receive_data(chunk):
                    for response in made.answers(message, "tcp", writer.get_extra_info("peername")[1]):
                        writer.write(frame(response))
                        answered += 1
                    if made.close_after and answered >= made.close_after:
                        writer.close()
                        return
        writer.close()

    server = await asyncio.start_server(serve, sock=listening, ssl=tls) if tcp else None
    transport = None
    if udp:
        transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(made), local_addr=("127.0.0.1", made.port))
    if not tcp:
        listening.close()
    try:
        yield made
    finally:
        if transport is not None:
            transport.close()
        if server is not None:
            server.close()


def group(*servers: Server, timeout: float = 0.3, strategy: str = "ordered") -> UpstreamGroupView:
    """A tenant's group."""
    return UpstreamGroupView("default", (), servers, timeout, strategy=strategy)
