"""The answer a rule gives: name error, NODATA, refusal, silence, a sinkhole's addresses, or another name.

One of the leaves that the handler calls, right after the decision. This module must not know how rules are matched.
"""

from __future__ import annotations

from struct import pack

from resolver.answers.local import QNAME_POINTER, Alias, absolute, negative, positive
from resolver.errors import Rcode
from resolver.policy.decision import AnswerForm, Decision
from resolver.query import Query, Record, Response

_HINFO = b"\x07RFC8482\x00"
_HINFO_TTL = 3600
_EMPTY = {
    "drop": (Rcode.REFUSED, "none"), "refused": (Rcode.REFUSED, "policy"), "truncated": (Rcode.NOERROR, "policy"),
}  # fmt: skip
"""Forms without a record: response code and source."""


def answer_by_policy(query: Query, decision: Decision, form: AnswerForm) -> Response | Alias:
    """The answer in the form a rule asks for, its EDE included; source "none" for silence."""
    response = _answer(query, form)
    if isinstance(response, Response):
        response.valid_until = decision.valid_until
    response.ede, response.ede_text = form.ede, decision.ede_text if form.ede >= 0 else ""
    return response


def _answer(query: Query, form: AnswerForm) -> Response | Alias:
    if empty := _EMPTY.get(form.form):
        rcode, source = empty
        return Response(rcode, source, truncated=form.form == "truncated")
    if form.form == "cname":
        record = Record(query.qname, "CNAME", absolute(form.target), form.ttl)
        if query.qtype_name == "CNAME":
            return positive("policy", [(QNAME_POINTER, record)])
        return Alias(((QNAME_POINTER, record),), form.target, "policy")
    if data := _data(form, query.qtype_name):
        records = [Record(query.qname, query.qtype_name, item, form.ttl) for item in data]
        return positive("policy", [(QNAME_POINTER, record) for record in records])
    # A sinkhole has nothing to say to other types: NODATA, or the client would look elsewhere.
    return negative("policy", Rcode.NXDOMAIN if form.form == "nxdomain" else Rcode.NOERROR, query, form.ttl)


def _data(form: AnswerForm, qtype: str) -> list[str]:
    """Data of the records of this type that a form holds."""
    if qtype in {"A", "AAAA"} and form.addresses:
        return [address for address in form.addresses if (":" in address) == (qtype == "AAAA")]
    return [data for kind, data in form.records if kind == qtype]


def minimal_any(query: Query) -> Response:
    """The answer to type ANY: one HINFO record, the same for every name (RFC 8482 section 4.2)."""
    body = QNAME_POINTER + pack("!HHIH", 13, 1, _HINFO_TTL, len(_HINFO)) + _HINFO
    record = Record(query.qname, "HINFO", '"RFC8482" ""', _HINFO_TTL)
    return Response(Rcode.NOERROR, "policy", body, (1, 0, 0), (len(body), len(body)), records=(record,))
