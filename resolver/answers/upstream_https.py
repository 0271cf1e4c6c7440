"""One upstream server over HTTPS (RFC 8484): each question a POST, many at a time on one HTTP/2 connection.

The connection goes to the address the tenant wrote, whatever the name in the certificate resolves to. The HTTP library
is loaded when the first such server is asked. This module must not know tenants or other servers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from resolver.answers.exchange import ExchangeError, NoAnswerError, belongs, question_of
from resolver.answers.upstream_tls import Trust, refusal
from resolver.framing import MAX_MESSAGE
from resolver.tenant_view import Server

if TYPE_CHECKING:
    import httpx

_MEDIA_TYPE = "application/dns-message"
_CONNECTIONS = 8
_IDLE = 10.0
_OK = 200


class HttpsServer:
    """Asks one server over HTTPS.

    Args:
        server: with the name its certificate must bear and the path of the service.
        trust: contexts that check certificates.
    """

    def __init__(self, server: Server, trust: Trust) -> None:
        self._server, self._trust = server, trust
        host = f"[{server.address}]" if ":" in server.address else server.address
        self._url = f"https://{host}:{server.port}{server.path}"
        authority = server.name if server.name != server.address else host
        self._headers = {
            "host": authority if server.port == 443 else f"{authority}:{server.port}",
            "content-type": _MEDIA_TYPE, "accept": _MEDIA_TYPE,
        }  # fmt: skip
        self._client: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()
        self._closing: asyncio.Task[None] | None = None

    async def ask(self, message: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 (part of the interface of a server)
        """Post a query with id 0, as HTTP caches want it (RFC 8484 section 4.1); the response as it came, with id 0.

        Args:
            message: with id 0.
            timeout: seconds, connecting included.

        Raises:
            ExchangeError: when nothing came in time, or no DNS message.
        """
        try:
            async with asyncio.timeout(timeout):
                response = await self._post(message)
        except TimeoutError:
            raise NoAnswerError from None
        if not belongs(response, question_of(message)):
            raise ExchangeError("malformed response")
        return b"\0\0" + response[2:]

    async def _post(self, message: bytes) -> bytes:
        client = self._client or await self._make()
        import httpx

        try:
            async with client.stream("POST", self._url, content=message, headers=self._headers,
                                     extensions={"sni_hostname": self._server.name}) as response:  # fmt: skip
                return await _body(response)
        except httpx.TransportError as error:
            raise ExchangeError(refusal(error)) from error
        except httpx.HTTPError as error:
            raise ExchangeError("not HTTP") from error

    async def _make(self) -> httpx.AsyncClient:
        async with self._making:
            if self._client is None:
                context = await self._trust.context(self._server.ca_file, "")
                httpx = await asyncio.to_thread(_library)
                limits = httpx.Limits(max_connections=_CONNECTIONS, keepalive_expiry=_IDLE)
                # trust_env: a proxy of the environment is not for a resolver's own questions.
                self._client = httpx.AsyncClient(
                    verify=context, http2=True, trust_env=False, timeout=None, limits=limits
                )
            return self._client

    def close_idle(self, now: float) -> None:
        """Idle connections are closed by the library when the next question comes, or with the server."""

    def close(self) -> None:
        """Close all connections; what is on its way fails."""
        if self._client is not None:
            self._closing = asyncio.get_running_loop().create_task(self._client.aclose())


async def _body(response: httpx.Response) -> bytes:
    """The DNS message in a response.

    Raises:
        ExchangeError: for another status (RFC 8484 section 4.2.1), another type, or more than a message can hold.
    """
    if response.status_code != _OK:
        raise ExchangeError(f"HTTP status {response.status_code}")
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise ExchangeError("not a DNS message")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_MESSAGE:
            raise ExchangeError("response too long")
    return bytes(body)


def _library():  # type: ignore[no-untyped-def]  # noqa: ANN202 - a module
    import httpx

    return httpx
