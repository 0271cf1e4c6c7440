"""The embedded store (or a server) over ClickHouse's HTTP interface: what the sink uses in the embedded stack.

Inserts go as one Arrow stream packed with lz4, which costs less than moving three times the bytes. Blocking; one
connection, kept open, one call at a time.
"""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

import pyarrow as pa

from streams.warehouse import AwayError, Parameters, Row, Settings, refusal
from streams.warehouse.rows import arrow_stream, insert_statement, rows_of
from streams.warehouse.statements import tsv_parameters

_CODE = re.compile(r"Code: (\d+)\. ")
_STEP = 1 << 20


class Loopback:
    """Warehouse behind an HTTP address.

    Args:
        url: ``http://host:port``, with ``user:password@`` for an analyst.
        timeout_s: of one call; an insert of 100,000 rows takes less than a second.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 8123
        self._timeout_s = timeout_s
        self._headers = _credentials(parts)
        self._connection: HTTPConnection | None = None
        self._lock = threading.Lock()

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """See Warehouse."""
        self._post({}, sql.encode(), parameters)

    def query(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """See Warehouse."""
        options = {"default_format": "JSONCompact", "output_format_json_quote_64bit_integers": "0"}
        return rows_of(self._post(options, sql.encode(), parameters))

    def insert_arrow(self, table: str, columns: pa.RecordBatch, settings: Settings | None = None) -> None:
        """See Warehouse."""
        statement = insert_statement(table, columns.schema.names, settings) + " FORMAT ArrowStream"
        self._post({"query": statement}, memoryview(arrow_stream(columns, "lz4")))

    def close(self) -> None:
        """See Warehouse."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, options: dict[str, str], body: bytes | memoryview, parameters: Parameters | None = None) -> bytes:
        values = {f"param_{name}": value for name, value in tsv_parameters(parameters).items()}
        path = "/?" + urlencode({**options, **values})
        with self._lock:
            try:
                response = self._exchange(path, body)
                answer = response.read()
            except (OSError, HTTPException) as error:
                self.close()
                reason = str(error) or type(error).__name__
                raise AwayError(f"the store does not answer at http://{self._host}:{self._port}: {reason}") from error
        if response.status != 200:
            text = answer.decode(errors="replace").strip()
            found = _CODE.search(text)
            raise refusal(text, int(found.group(1)) if found else 0)
        return answer

    def _exchange(self, path: str, body: bytes | memoryview) -> HTTPResponse:
        if self._connection is not None and _ended(self._connection):
            self.close()
        if self._connection is None:
            self._connection = HTTPConnection(self._host, self._port, timeout=self._timeout_s, blocksize=_STEP)
        self._connection.request("POST", path, body=body, headers={**self._headers, "Content-Length": str(len(body))})
        return self._connection.getresponse()


def _credentials(parts: SplitResult) -> dict[str, str]:
    """Basic authentication (RFC 7617) of a URL with a user."""
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _ended(connection: HTTPConnection) -> bool:
    """Whether the other side closed a kept connection; found out before a request, so that none is ever sent twice."""
    if connection.sock is None:
        return True
    connection.sock.setblocking(False)  # noqa: FBT003 - socket's own signature
    try:
        with contextlib.suppress(BlockingIOError):
            connection.sock.recv(1)
            return True
    except OSError:
        return True
    finally:
        connection.sock.settimeout(connection.timeout)
    return False
