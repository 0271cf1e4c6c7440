"""Syslog: one message an alert (RFC 5424), over TLS with octets counted (RFC 5425).

The protocol knows no acknowledgement: delivered means that an open connection took the octets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl

from schemas.signals import Alert
from streams.delivery.errors import DeliveryError
from streams.delivery.forms import body_of
from streams.delivery.settings import Form, Target

_FACILITY = 20  # local4
_SEVERITIES = {"info": 6, "low": 5, "medium": 4, "high": 3, "critical": 2}
_SD_ID = "alert@32473"  # RFC 5612: the enterprise number for documentation


class Syslog:
    """One connection to a receiver, opened when there is something to say.

    Args:
        target: its settings.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._host, _, port = target.address.rpartition(":")
        self._port = int(port)
        self._context = ssl.create_default_context(cafile=target.ca_file or None)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, alert: Alert) -> None:
        """One attempt.

        Raises:
            DeliveryError: the receiver cannot be reached, is not who it should be, or hung up.
        """
        try:
            async with asyncio.timeout(self._target.timeout_seconds):
                reader, writer = await self._connected()
                writer.write(framed(message(alert, self._target.form, socket.gethostname())))
                await writer.drain()
                if reader.at_eof() or writer.is_closing():
                    raise ConnectionResetError("the receiver hung up")
        except (OSError, TimeoutError) as error:
            await self.close()
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"{self._target.address}: {reason}") from error

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams and (self._streams[0].at_eof() or self._streams[1].is_closing()):
            await self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self._host.strip("[]"), self._port, ssl=self._context, server_hostname=self._host.strip("[]")
            )
        return self._streams

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()


def framed(line: bytes) -> bytes:
    """RFC 5425 section 4.3: the number of octets, a space, the message."""
    return b"%d %s" % (len(line), line)


def message(alert: Alert, form: Form, host: str) -> bytes:
    """RFC 5424 section 6: header, structured data, and the alert as ASCII JSON."""
    priority = _FACILITY * 8 + _SEVERITIES[alert.severity]
    time = alert.changed.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    named = {"id": alert.id, "tenant": alert.tenant, "detector": alert.detector, "severity": alert.severity}
    data = " ".join(f'{name}="{_escaped(value)}"' for name, value in named.items())
    text = json.dumps(json.loads(body_of(alert, form)), separators=(",", ":"))
    hostname = "".join(char for char in host if "!" <= char <= "~")[:255] or "-"
    return f"<{priority}>1 {time} {hostname} nameward - alert-{alert.state} [{_SD_ID} {data}] {text}".encode()


def _escaped(value: str) -> str:
    """RFC 5424 section 6.3.3: backslash, quote and bracket."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
