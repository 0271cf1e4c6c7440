"""A DoH server for tests: HTTP/2 over TLS on loopback, answering each POST as the test says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, WindowUpdated

from resolver.tenant_view import Server


@dataclass
class Reply:
    """One HTTP response."""

    body: bytes
    status: int = 200
    media_type: str | None = "application/dns-message"


@dataclass
class HttpsUpstream:
    """A server that can be asked.

    Attributes:
        behaviour: body of a request -> response, None for silence.
        asked: (headers, body) in order.
        sessions: for each connection whether its TLS session was resumed.
        connections: the open ones.
    """

    behaviour: Callable[[bytes], Reply | None]
    port: int = 0
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    sessions: list[bool] = field(default_factory=list)
    connections: set[asyncio.WriteTransport] = field(default_factory=set)

    def server(self, name: str, ca_file: str, path: str = "/dns-query") -> Server:
        """As a tenant names it."""
        return Server("https", "127.0.0.1", self.port, f"https://127.0.0.1:{self.port}{path}#{name}", name, path, ca_file)


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: HttpsUpstream) -> None:
        self._upstream = upstream
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._unsent: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._upstream.connections.add(transport)
        self._upstream.sessions.append(transport.get_extra_info("ssl_object").session_reused)
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self._requests[event.stream_id] = dict(event.headers), bytearray()
            elif isinstance(event, DataReceived):
                self._requests[event.stream_id][1].extend(event.data)
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self._answer(event.stream_id)
            elif isinstance(event, WindowUpdated):
                for stream in list(self._unsent):
                    self._send(stream)
        self._flush()

    def _answer(self, stream: int) -> None:
        headers, body = self._requests.pop(stream)
        self._upstream.asked.append((headers, bytes(body)))
        reply = self._upstream.behaviour(bytes(body))
        if reply is None:
            return
        shown = [(":status", str(reply.status))]
        if reply.media_type is not None:
            shown.append(("content-type", reply.media_type))
        self._h2.send_headers(stream, shown)
        self._unsent[stream] = reply.body
        self._send(stream)

    def _send(self, stream: int) -> None:
        """As much as flow control lets pass."""
        body = self._unsent.pop(stream)
        while body and (room := min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)) > 0:
            self._h2.send_data(stream, body[:room])
            body = body[room:]
        if body:
            self._unsent[stream] = body
        else:
            self._h2.end_stream(stream)

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


@asynccontextmanager
async def https_upstream(behaviour: Callable[[bytes], Reply | None], tls: ssl.SSLContext) -> AsyncIterator[HttpsUpstream]:
    """A running server."""
    made = HttpsUpstream(behaviour)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(made), "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
