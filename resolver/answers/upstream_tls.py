"""Trust in upstream servers: TLS contexts that check certificates, and why one was not accepted.

Used by both encrypted transports. A context is shared by all servers vouched for by the same certificates; it offers
the last session of a name again, so that a connection made anew costs no signature (RFC 8446 section 2.2). This module
must not know DNS.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from resolver.answers.exchange import ExchangeError

_REASONS = {
    9: "certificate not valid yet",
    10: "certificate expired",
    62: "certificate for another name",
    64: "certificate for another name",
    **dict.fromkeys((18, 19, 20, 21), "certificate from an unknown issuer"),
}
"""OpenSSL's verification results (X509_V_ERR_*) in words; they tell a client nothing about the server."""


class _Resuming(ssl.SSLContext):
    """Offers to each name the session of its last connection, whose ticket came after the handshake."""

    last: dict[object, ssl.SSLObject]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the standard library's signature
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        session = session or _session(self.last.get(server_hostname))
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        self.last[server_hostname] = made
        return made


def _session(last: ssl.SSLObject | None) -> ssl.SSLSession | None:
    try:
        session = last.session if last is not None else None
    except ValueError:  # its handshake failed
        return None
    return session if session is not None and session.has_ticket else None


class Trust:
    """Contexts by the file of certificates that vouch and the protocol inside, made anew when the file changes."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, str], tuple[int, ssl.SSLContext]] = {}

    async def context(self, ca_file: str, protocol: str) -> ssl.SSLContext:
        """The context for a connection.

        Args:
            ca_file: PEM file; empty for the system's certificates.
            protocol: what ALPN offers (RFC 7301), such as ``dot``; empty to leave that to the caller.

        Raises:
            ExchangeError: if the file cannot be used.
        """
        try:
            return await asyncio.to_thread(self._current, ca_file, protocol)  # reading certificates takes a while
        except OSError as error:  # ssl.SSLError is one
            raise ExchangeError("caFile cannot be used") from error

    def _current(self, ca_file: str, protocol: str) -> ssl.SSLContext:
        changed = Path(ca_file).stat().st_mtime_ns if ca_file else 0
        known = self._contexts.get((ca_file, protocol))
        if known is None or known[0] != changed:
            known = self._contexts[ca_file, protocol] = changed, _context(ca_file, protocol)
        return known[1]


def _context(ca_file: str, protocol: str) -> ssl.SSLContext:
    made = _Resuming(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and name, TLS 1.2 at least
    made.last = {}
    if ca_file:
        made.load_verify_locations(ca_file)
    else:
        made.load_default_certs()
    if protocol:
        made.set_alpn_protocols([protocol])
    return made


def refusal(error: BaseException) -> str:
    """Why a connection was not made, in one clause without names or addresses."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return _REASONS.get(seen.verify_code, "certificate not accepted")
        if isinstance(seen, ssl.SSLError):
            return "TLS failed"
        seen = seen.__cause__ or seen.__context__
    return "network error"
