"""Who asked for which registered domain: pairs of hashes out of rows, and back from a table.

For the detector dga. Must not know why somebody is remembered.
"""

from __future__ import annotations

import numpy as np

from streams.columns import TenantRows
from streams.detectors.recent import Items, Recent
from streams.distinct import last_of_each
from streams.hashing import Hashes, hash_text

_NOBODY = hash_text("")


def clients_of(rows: TenantRows) -> Hashes:
    """Hash of who asked: the client, or its workload where the client is not told."""
    clients = rows.batch.hashes("client")[rows.codes("client")]
    unknown = clients == np.uint64(_NOBODY)
    if unknown.any():
        clients = np.where(unknown, rows.batch.hashes("workload")[rows.codes("workload")], clients)
    return clients


def remember(rows: TenantRows, where: Recent) -> list[int]:
    """Put (client, domain) pairs into a table; the client of each pair."""
    rows = _distinct(rows)
    clients = clients_of(rows)
    known = clients != np.uint64(_NOBODY)
    rows, clients = rows.only(known), clients[known]
    if not len(rows):
        return []
    domains = rows.batch.hashes("registered_domain")[rows.codes("registered_domain")]
    texts = _named(rows, "registered_domain", "") | _named(rows, "client", "")
    if not texts.keys() >= set(clients.tolist()):
        texts |= _named(rows, "workload", "workload/")
    where.add(Items(np.column_stack([clients, domains, np.zeros_like(clients), domains]), rows.times), texts)
    found: list[int] = clients.tolist()
    return found


def _distinct(rows: TenantRows) -> TenantRows:
    """The first row of each client, workload and domain."""
    key, size = np.zeros(len(rows), np.int64), 1
    for column in ("client", "workload", "registered_domain"):
        values = len(rows.batch.values(column))
        key, size = key * values + rows.codes(column), size * values
    _, last = last_of_each(key[::-1], size)
    return rows.only(np.sort(len(rows) - 1 - last))


def _named(rows: TenantRows, column: str, prefix: str) -> dict[int, str]:
    used, _ = rows.tally(column)
    texts = rows.batch.named(column, used)
    hashes = rows.batch.hashes(column)[used].tolist()
    return {key: prefix + text for key, text in zip(hashes, texts, strict=True) if text}


def domains_of(table: Recent, key: int) -> dict[str, float]:
    """Domains of a client, and when each was first seen."""
    items = table.of(key)
    pairs = zip(items.hashes[:, 3].tolist(), items.times.tolist(), strict=True)
    return {table.texts[domain]: time for domain, time in pairs if domain in table.texts}
