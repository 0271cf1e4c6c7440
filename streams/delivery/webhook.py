"""Webhooks: one POST an alert, signed as Standard Webhooks says, so that a receiver knows who speaks and when.

``webhook-id`` is the alert's id and revision, the same at every attempt, so that a receiver knows what it has already.
``webhook-timestamp`` is the attempt's, so that an old request cannot be sent again by somebody else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime

import httpx

from schemas.signals import Alert
from streams.delivery.backoff import retry_after
from streams.delivery.errors import DeliveryError
from streams.delivery.forms import body_of
from streams.delivery.settings import Target

_PREFIX = "whsec_"
_HOPELESS = frozenset({400, 410, 413, 422})
"""It is the message, not the moment, that is refused; or there is nobody any more."""


class Webhook:
    """Posts to one URL over connections that are kept.

    Args:
        target: its settings.
        secret: signs; empty for none (Slack's URL is the secret).
        clock: what time it is.
    """

    def __init__(self, target: Target, secret: str, clock: Callable[[], datetime]) -> None:
        self._target, self._key, self._clock = target, key_of(secret), clock
        verify = ssl.create_default_context(cafile=target.ca_file or None)
        self._client = httpx.AsyncClient(timeout=target.timeout_seconds, verify=verify)

    async def send(self, alert: Alert) -> None:
        """One attempt.

        Raises:
            DeliveryError: the receiver did not take it.
        """
        body, name = body_of(alert, self._target.form), f"{alert.id}-{alert.revision}"
        headers = {"content-type": "application/json", "user-agent": "nameward"}
        headers |= signed(self._key, name, int(self._clock().timestamp()), body) if self._key else {}
        try:
            response = await self._client.post(self._target.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            # Not the error's own words: they may hold the URL, which may be a secret.
            raise DeliveryError(f"no answer: {type(error).__name__}") from error
        if not response.is_success:
            raise DeliveryError(
                f"HTTP {response.status_code}",
                after_s=retry_after(response.headers.get("retry-after", ""), self._clock()),
                final=response.status_code in _HOPELESS,
            )

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()


def key_of(secret: str) -> bytes:
    """The key of a secret: base64 behind ``whsec_``, as the standard writes it, or the text itself."""
    try:
        return (
            base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
            if secret.startswith(_PREFIX)
            else secret.encode()
        )
    except binascii.Error:
        return secret.encode()


def signed(key: bytes, name: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Headers of Standard Webhooks: HMAC-SHA256 over id, timestamp and body, joined by full stops.

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    digest = hmac.new(key, b".".join((name.encode(), str(timestamp).encode(), body)), hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
