"""Which records of an answer belong to the question: those of the name asked and of the CNAMEs that lead on from it.

Stands between reading a response and remembering it. The cache keeps whole answers by question, so a foreign record
could never answer another question here; but the client may have a cache of its own. This module must not know who
asked, or policy.
"""

from __future__ import annotations

from dataclasses import replace

from resolver.chain import written_out
from resolver.errors import ResponseError
from resolver.query import Query, Record, Response
from resolver.wire import HEADER


def in_bailiwick(query: Query, answer: Response) -> Response:
    """The answer itself; or, if it holds foreign records, what of its answer section belongs to the question.

    A server that adds foreign records is not believed in the authority and additional sections either.

    Raises:
        ResponseError: if the CNAMEs run in a circle, or nothing in the answer section belongs to the question.
    """
    records = answer.records
    if all(record.name == query.qname and record.type != "CNAME" for record in records):
        return answer
    names = _chain(query.qname, records)
    own = [record.name in names or _above(record, names) for record in records]
    if all(own):
        return answer
    if not any(own):
        raise ResponseError("answer about other names")
    return _only(own, query, answer)


def _chain(qname: str, records: tuple[Record, ...]) -> set[str]:
    """The name asked and every name its CNAMEs lead to; records may come in any order."""
    aliases = {record.name: record.data[:-1] or "." for record in records if record.type == "CNAME"}
    names, at = {qname}, qname
    while at in aliases:
        at = aliases[at]
        if at in names:
            raise ResponseError("CNAMEs in a circle")
        names.add(at)
    return names


def _above(record: Record, names: set[str]) -> bool:
    """A DNAME (RFC 6672 section 2.2), and its signature, stand above the name they redirect."""
    if record.type not in {"DNAME", "RRSIG"}:
        return False
    return any(name.endswith("." + record.name) or record.name == "." for name in names)


def _only(own: list[bool], query: Query, answer: Response) -> Response:
    message = bytes(HEADER) + query.question + answer.body
    at, body, offsets = HEADER + len(query.question), bytearray(), []
    for belongs in own:
        owner, rest, at = written_out(message, at)
        if belongs:
            offsets.append(len(body) + len(owner) + 4)
            body += owner + rest
    records = tuple(record for record, belongs in zip(answer.records, own, strict=True) if belongs)
    return replace(
        answer, body=bytes(body), counts=(len(records), 0, 0), ends=(len(body), len(body)), ttl_offsets=tuple(offsets),
        records=records, ad=False, lifetime=min(record.ttl for record in records),
    )  # fmt: skip
