"""Asks the store over ClickHouse's HTTP interface. The standard library is enough, and starts fast."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode

from compose.failure import Failure
from compose.ports import Address

HINT = "is the stack running? start it with 'nameward up'"


def query(
    address: Address,
    sql: str,
    *,
    output: str = "TabSeparatedWithNames",
    parameters: Mapping[str, str] | None = None,
    timeout_s: float = 300.0,
) -> bytes:
    """Run one statement and return what the store answered, in the format ``output`` unless the statement names one.

    Args:
        address: of the HTTP interface.
        sql: statement; values go into ``{name:Type}`` placeholders, never into the text.
        output: ClickHouse format name.
        parameters: placeholder -> value.
        timeout_s: patience.

    Raises:
        Failure: if the store is away or refuses the statement; in the store's own words.
    """
    options = {"default_format": output, **{f"param_{name}": value for name, value in (parameters or {}).items()}}
    connection = HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        connection.request("POST", "/?" + urlencode(options), body=sql.encode())
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException) as error:
        raise Failure(f"the store does not answer at http://{address}: {error} ({HINT})") from error
    finally:
        connection.close()
    if response.status != 200:
        raise Failure(f"the store refused the query: {body.decode(errors='replace').strip()}")
    return body


def rows(address: Address, sql: str, parameters: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Rows of a query as values."""
    body = query(address, sql, output="JSONEachRow", parameters=parameters)
    return [json.loads(line) for line in body.splitlines() if line]


async def ping(address: Address, timeout_s: float = 2.0) -> bool:
    """Whether the store answers a query."""
    try:
        return (await asyncio.to_thread(query, address, "SELECT 1", timeout_s=timeout_s)).strip().endswith(b"1")
    except Failure:
        return False
