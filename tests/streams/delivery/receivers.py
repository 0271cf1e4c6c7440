"""Real receivers for tests of delivery: an HTTP server that answers as told, a syslog receiver over TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hook:
    """An HTTP server on loopback; what each path answers, one answer a request, the last one for ever.

    An answer is a status, or a status and headers; 0 is silence until the client gives up.
    """

    answers: dict[str, list[int | tuple[int, dict[str, str]]]]
    heard: list[tuple[str, Mapping[str, str], bytes, float]] = field(default_factory=list)
    url: str = ""

    def at(self, path: str) -> list[tuple[Mapping[str, str], bytes, float]]:
        """Headers, body and time of the requests to a path."""
        return [(headers, body, when) for where, headers, body, when in self.heard if where == path]


@contextlib.contextmanager
def hooks(answers: dict[str, list[int | tuple[int, dict[str, str]]]]) -> Iterator[Hook]:
    """An HTTP server for the time of a with block."""
    hook = Hook(answers)
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body, time.monotonic()))
            several = hook.answers[self.path]
            answer = several.pop(0) if len(several) > 1 else several[0]
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            if not status:
                over.wait(30)
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's own signature
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield hook
    finally:
        over.set()
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def syslog_receiver(context: ssl.SSLContext, most: int = 10**6) -> Iterator[tuple[str, Callable[[], list[bytes]]]]:
    """A receiver of syslog over TLS (RFC 5425): its address, and what it has heard, a message each.

    Args:
        context: of a server.
        most: messages of one connection, after which it hangs up.
    """
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=listen, args=(connection,), daemon=True).start()

    def listen(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), context.wrap_socket(connection, server_side=True) as wrapped:
            stream = wrapped.makefile("rb")
            for _ in range(most):
                count = b""
                while (octet := stream.read(1)) != b" ":
                    if not octet:
                        return
                    count += octet
                heard.append(stream.read(int(count)))

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", lambda: list(heard)
    finally:
        listener.close()
