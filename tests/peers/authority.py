"""An authoritative server of the tests' own on loopback: UDP and TCP, in a thread, every query counted.

Names answer by their last labels, so that tests need no zone files:

- ``*.example.com`` and anything else not named here: A 192.0.2.1 (or as told), AAAA 2001:db8::1, TXT "text", TTL 300;
- ``*.short.test``: the same with a TTL of 1 s; ``*.slow.test``: the same with a TTL of 0, a tenth of a second later; ``*.missing.test``: NXDOMAIN with SOA; ``*.empty.test``: NODATA with SOA;
- ``*.big.test``: TXT that needs TCP; ``*.silent.test``: no answer at all; ``*.failing.test``: SERVFAIL.
"""

from __future__ import annotations

import collections
import contextlib
import socketserver
import threading
import time
from collections.abc import Iterator

import dnslib

_SOA = "ns.test. admin.test. 1 3600 600 86400 60"


class Authority:
    """A running authoritative server; ``address`` is what a tenant's upstream names, ``asked`` counts the questions."""

    def __init__(self, host: str = "127.0.0.1", *, says: str = "192.0.2.1") -> None:
        self.says = says
        self.asked: collections.Counter[tuple[str, str]] = collections.Counter()
        self._tcp = _Tcp((host, 0), Stream)
        self._tcp.authority = self
        self.port = self._tcp.server_address[1]
        self._udp = _Udp((host, self.port), _Datagram)
        self._udp.authority = self
        self.address = f"udp://{host}:{self.port}"
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in (self._tcp, self._udp)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        for server in (self._tcp, self._udp):
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(5)

    def answer(self, message: bytes, *, stream: bool) -> bytes | None:
        """The response to one query; None for a name that is never answered, FORMERR for names that are not text."""
        try:
            query = dnslib.DNSRecord.parse(message)
        except dnslib.DNSError:
            return message[:2] + b"\x84\x01" + bytes(8)
        name = str(query.q.qname).rstrip(".").lower()
        kind = dnslib.QTYPE[query.q.qtype]
        self.asked[name, kind] += 1
        reply = query.reply()
        if query.ar:
            reply.add_ar(dnslib.EDNS0(udp_len=1232))
        if name.endswith("silent.test"):
            return None
        if name.endswith("slow.test"):
            time.sleep(0.1)
        _fill(reply, name, kind, self.says)
        packed = reply.pack()
        if not stream and len(packed) > 1232:
            reply = query.reply()  # with the question: RFC 2181 section 9 cuts RRsets only, and dnsdist believes no other
            reply.header.tc = 1
            packed = reply.pack()
        return bytes(packed)


def _fill(reply: dnslib.DNSRecord, name: str, kind: str, says: str) -> None:
    if name.endswith("failing.test"):
        reply.header.rcode = dnslib.RCODE.SERVFAIL
    elif name.endswith(("missing.test", "empty.test")):
        reply.header.rcode = dnslib.RCODE.NXDOMAIN if name.endswith("missing.test") else dnslib.RCODE.NOERROR
        reply.add_auth(*dnslib.RR.fromZone(f"test. 60 SOA {_SOA}"))
    else:
        ttl = 1 if name.endswith("short.test") else 0 if name.endswith("slow.test") else 300
        data = {"A": says, "AAAA": "2001:db8::1", "TXT": '"text"'}.get(kind)
        if name.endswith("big.test") and kind == "TXT":
            reply.add_answer(*dnslib.RR.fromZone("\n".join(f'{name}. {ttl} TXT "{i:0200d}"' for i in range(20))))
        elif data is not None:
            reply.add_answer(*dnslib.RR.fromZone(f"{name}. {ttl} {kind} {data}"))
        else:
            reply.add_auth(*dnslib.RR.fromZone(f"test. 60 SOA {_SOA}"))


class _Udp(socketserver.ThreadingUDPServer):
    allow_reuse_address = True
    daemon_threads = True
    authority: Authority


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    authority: Authority


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        message, sock = self.request
        answer = self.server.authority.answer(message, stream=False)
        if answer is not None:
            sock.sendto(answer, self.client_address)


class Stream(socketserver.StreamRequestHandler):
    """One connection: queries in, answers out, each with its length before it."""

    def handle(self) -> None:
        """Answer until the client has no more."""
        with contextlib.suppress(OSError):
            while size := self.rfile.read(2):
                answer = self.server.authority.answer(self.rfile.read(int.from_bytes(size, "big")), stream=True)
                if answer is not None:
                    self.wfile.write(len(answer).to_bytes(2, "big") + answer)


@contextlib.contextmanager
def running(*, says: str = "192.0.2.1") -> Iterator[Authority]:
    """An authority for the time of a with block; the address it says."""
    authority = Authority(says=says)
    try:
        yield authority
    finally:
        authority.close()
