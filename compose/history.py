"""What was really asked, out of the store: each question once per client and quarter of an hour, with how often.

Read as a stream, in order of tenant and name, so that neither side holds it all. Must not know policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

import msgspec

from compose.failure import Failure
from compose.ports import Address
from compose.store import HINT, rows

_WHERE = """
WHERE day >= toDate(fromUnixTimestamp64Micro({since:Int64}, 'UTC'))
  AND time >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND time < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
  AND ({tenant:String} = '' OR tenant = {tenant:String})
"""
_COUNT = f"SELECT count() AS events, countIf(qclass != 'IN') AS foreign FROM nameward.query_events {_WHERE}"  # noqa: S608 - no value stands in the text
# Whoever asks again within a quarter of an hour is decided once, at the last time: schedules change no finer than that.
_ASKED = f"""
SELECT tenant, workload, client, transport, qname, qtype, any(labels) AS labels, count() AS queries,
       toUnixTimestamp64Micro(max(time)) AS last,
       countIf(answer_source NOT IN ('policy', 'error', 'none', 'limit') AND rcode != '') AS answered,
       argMaxIf((rcode, answer_source, answers.type, answers.data, answers.ttl), time,
                answer_source NOT IN ('policy', 'error', 'none', 'limit') AND rcode != '') AS answer
FROM nameward.query_events {_WHERE} AND qclass = 'IN'
GROUP BY tenant, qname, workload, client, transport, qtype, toStartOfFifteenMinutes(time)
ORDER BY tenant, qname
SETTINGS max_bytes_before_external_group_by = 200000000, max_bytes_before_external_sort = 200000000
"""  # noqa: S608 - no value stands in the text


class Question(msgspec.Struct, frozen=True):
    """A question of one client and the last answer it got from elsewhere than policy, if any.

    last: Unix microseconds. answer: rcode, source, and types, data and TTLs of the records.
    """

    tenant: str
    workload: str
    client: str
    transport: str
    qname: str
    qtype: str
    labels: dict[str, str]
    queries: int
    last: int
    answered: int
    answer: tuple[str, str, list[str], list[str], list[int]]


_decode = msgspec.json.Decoder(Question).decode


def count(store: Address, since: datetime, until: datetime, tenant: str) -> tuple[int, int]:
    """Events in [since, until), and those of them whose class is not IN.

    Raises:
        Failure: if the store does not answer.
    """
    (found,) = rows(store, _COUNT, _parameters(since, until, tenant))
    return int(found["events"]), int(found["foreign"])


def questions(store: Address, since: datetime, until: datetime, tenant: str) -> Iterator[Question]:
    """Questions of class IN in [since, until), by tenant and name.

    Args:
        store: of the HTTP interface.
        since: moment with a zone.
        until: likewise.
        tenant: only this tenant's; empty for all.

    Raises:
        Failure: if the store does not answer, or ends in the middle.
    """
    options = {"default_format": "JSONEachRow", "output_format_json_quote_64bit_integers": "0"}
    options |= {f"param_{name}": value for name, value in _parameters(since, until, tenant).items()}
    connection = HTTPConnection(store.host, store.port, timeout=300)
    try:
        connection.request("POST", "/?" + urlencode(options), body=_ASKED.encode())
        response = connection.getresponse()
        if response.status != 200:
            raise Failure(f"the store refused the query: {response.read().decode(errors='replace').strip()}")
        for line in response:
            yield _decode(line)
    except (OSError, HTTPException) as error:
        raise Failure(f"the store does not answer at http://{store}: {error} ({HINT})") from error
    except msgspec.MsgspecError as error:
        raise Failure(f"the store at http://{store} ended in the middle of its answer: {error}") from error
    finally:
        connection.close()


def _parameters(since: datetime, until: datetime, tenant: str) -> dict[str, str]:
    micros = {name: str(round(moment.timestamp() * 1e6)) for name, moment in (("since", since), ("until", until))}
    return {**micros, "tenant": tenant}
