"""Zeek's dns.log, tab-separated and JSON: the same record in both, odd headers, and lines that are none."""

from __future__ import annotations

import json

import pytest

from compose.imports.lines import LONG, LONGEST
from compose.imports.zeek import CELLS, NOT_A_RECORD, QUESTIONLESS
from tests.compose.imports.wire import events, names, reasons

HEADER = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n"
FIELDS = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "trans_id", "rtt", "query", "qclass", "qclass_name", "qtype", "qtype_name", "rcode", "rcode_name", "AA", "TC", "RD", "RA", "Z", "answers", "TTLs", "rejected"]
RECORD = {
    "ts": 1714420815.679485, "uid": "C1", "id.orig_h": "10.0.0.238", "id.orig_p": 53501, "id.resp_h": "10.0.0.1", "id.resp_p": 53, "proto": "udp", "trans_id": 7,
    "rtt": 0.018149, "query": "WWW.example.com", "qclass": 1, "qclass_name": "C_INTERNET", "qtype": 1, "qtype_name": "A", "rcode": 0, "rcode_name": "NOERROR",
    "AA": False, "TC": False, "RD": True, "RA": True, "Z": 0, "answers": ["edge.example.net", "192.0.2.7"], "TTLs": [300.0, 20.0], "rejected": False,
}  # fmt: skip


def cell(value: object) -> str:
    """A value as Zeek's ASCII writer puts it."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def tsv(*records: dict[str, object], separator: str = "\t", header: str = HEADER) -> bytes:
    """A log of these records; what one leaves out is unset."""
    lines = [separator.join(["#fields", *FIELDS]), *(separator.join(cell(record.get(name, "-")) for name in FIELDS) for record in records)]
    return (header + "\n".join(lines) + "\n#close\t2024-04-29\n").encode()


def as_json(*records: dict[str, object]) -> bytes:
    """The same as a JSON log."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


@pytest.mark.parametrize("write", [tsv, as_json])
def test_a_record_is_an_event(write: object) -> None:
    """Both forms of the log say the same; types of answers are told by their looks, sizes are computed."""
    (event,), report = events(write(RECORD))  # type: ignore[operator]
    made = event.template
    assert (event.time_ns, event.latency_us) == (1714420815_679485_000, 18149)
    assert (made.client, made.qname, made.registered_domain, made.qtype, made.qclass) == ("10.0.0.238", "www.example.com", "example.com", "A", "IN")
    assert (made.rcode, made.flags) == ("NOERROR", 0x8180)
    assert made.answers == (("CNAME", "edge.example.net.", 300), ("A", "192.0.2.7", 20))
    assert (made.query_size, made.response_size) == (33, 33 + 29 + 21)
    assert (report.records, report.events, reasons(report)) == (1, 1, {})


@pytest.mark.parametrize(
    ("qtype", "answer", "expected"),
    [
        (16, "TXT 5 hello", ("TXT", '"hello"', 60)),
        (12, "host.example.net", ("PTR", "host.example.net.", 60)),
        (28, "2001:DB8::1", ("AAAA", "2001:db8::1", 60)),
        (15, "mail.example.net", ("CNAME", "mail.example.net.", 60)),
        (6, "something else", ("SOA", "something else", 60)),
    ],
)
def test_types_of_answers_follow_from_their_looks(qtype: int, answer: str, expected: tuple[str, str, int]) -> None:
    """The log has none."""
    (event,), _ = events(as_json(RECORD | {"qtype": qtype, "answers": [answer], "TTLs": [60.0]}))
    assert event.template.answers == (expected,)


def test_an_unanswered_query_has_no_rcode() -> None:
    """And no latency, since nobody waited for anything that came."""
    record = {key: value for key, value in RECORD.items() if key not in {"rcode", "rcode_name", "rtt", "answers", "TTLs"}}
    (event,), report = events(tsv(record))
    assert (event.template.rcode, event.template.response_size, event.latency_us, report.unanswered) == ("", 0, 0, 1)


def test_other_separators_and_times_are_understood() -> None:
    """Zeek can be told to write other separators, and times as people read them."""
    content = tsv(RECORD | {"answers": ["192.0.2.7"], "TTLs": [1.0]}, separator="|", header="#separator \\x7c\n#unset_field|-\n")
    assert names(events(content)[0]) == ["www.example.com"]
    (event,), _ = events(as_json(RECORD | {"ts": "2024-04-29T20:00:15.679485Z"}))
    assert event.time_ns == 1714420815_679485_000


def test_octets_that_zeek_escapes_are_octets_again() -> None:
    """Names are written as the resolver writes them."""
    (event,), _ = events(as_json(RECORD | {"query": r"a\x00b.example"}))
    assert event.template.qname == r"a\000b.example"


def test_lines_in_disorder_are_put_in_order() -> None:
    """Zeek writes a record when the answer came or the wait was over."""
    found, report = events(tsv(*(RECORD | {"ts": 1714420815 + second, "query": f"n{second}.example"} for second in (5, 3, 9, 1))))
    assert (names(found), report.disordered) == (["n1.example", "n3.example", "n5.example", "n9.example"], 0)


def test_bad_lines_lose_nothing_else() -> None:
    """Each is counted with its reason and its line."""
    good = tsv(RECORD).decode().removesuffix("#close\t2024-04-29\n").encode()
    cells = good.splitlines()[-1]
    lines = [b"only\tthree\tcells", cells.replace(b"10.0.0.238", b"nobody"), cells.replace(b"1714420815", b"soon"), b"x" * LONGEST * 2]
    nameless = tsv({key: value for key, value in RECORD.items() if key != "query"}).splitlines()[-2]
    found, report = events(b"\n".join([good.rstrip(), *lines, nameless, cells]))
    assert (len(found), reasons(report)) == (2, {CELLS: 1, NOT_A_RECORD: 2, LONG: 1, QUESTIONLESS: 1})
    assert report.bad[CELLS].examples == ["line 8"]


@pytest.mark.parametrize(
    "change",
    [{"answers": 5}, {"ts": None}, {"query": 7, "id.orig_h": []}, {"qtype": -1}, {"rcode": 70000}, {"rtt": "x"}, {"TTLs": ["x"]}, {"ts": 1e300}, {"ts": -5.0}, {"AA": []}],
)
def test_wrong_values_are_bad_records(change: dict[str, object]) -> None:
    """Whatever the JSON holds, the line is counted and the next one read."""
    found, report = events(as_json(RECORD, RECORD | change, RECORD))
    assert (len(found), report.bad_records) == (2, 1)
