"""Response policy zones: what records mean, which of them wins, and what is said of those that mean nothing."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.patterns import suffixes
from resolver.policy.rpz import Found, Zone, find_before, find_on_answer, must_wait
from resolver.policy.set_contents import build_index, open_index
from tests.resolver.policy.test_set_text import read

ZONE = """
$TTL 2h
$ORIGIN rpz.example.
@ IN SOA ns.rpz.example. root.rpz.example. ( 1 ; serial
    3600 600 86400 60 )
  IN NS ns.rpz.example.
nx.example          CNAME .
*.nx.example        CNAME .
absolute.example.rpz.example. 60 IN CNAME .
nodata.example      IN 300 CNAME *.
ok.nx.example       CNAME rpz-passthru.
old.example         CNAME old.example.
drop.example        CNAME rpz-drop.
tcp.example         CNAME rpz-tcp-only.
local.example       A 192.0.2.1
                    A 192.0.2.2
                    AAAA 2001:db8::1
                    TXT "two words" ; said
walled.example      CNAME garden.example.net.
*.star.example      CNAME *.garden.example.net.
*.deep.star.example CNAME .
24.0.2.0.10.rpz-client-ip     CNAME rpz-drop.
32.9.2.0.10.rpz-client-ip     CNAME rpz-passthru.
48.zz.1.db8.2001.rpz-client-ip CNAME .
8.0.0.0.127.rpz-ip  CNAME .
32.7.0.0.127.rpz-ip CNAME rpz-passthru.
128.1.zz.rpz-ip     CNAME *.
"""


def zone(text: str) -> Zone:
    """The zone of a text without mistakes."""
    contents = read(text, "rpz")
    assert contents.troubles == ()
    assert contents.zone is not None
    return contents.zone


def before(*zones: Zone, qname: str = "x.test", client: str = "192.0.2.9") -> Found | None:
    """What is found before there is an answer."""
    address = ip_address(client)
    return find_before(zones, suffixes(qname), address.version, int(address))


def shown(found: Found | None) -> str:
    """Trigger and action."""
    return f"{found.trigger} {found.action.kind}" if found else ""


QNAME = [
    ("nx.example", "QNAME nxdomain"), ("a.b.nx.example", "QNAME nxdomain"), ("ok.nx.example", "QNAME passthru"),
    ("a.ok.nx.example", "QNAME nxdomain"), ("absolute.example", "QNAME nxdomain"), ("nodata.example", "QNAME nodata"),
    ("old.example", "QNAME passthru"), ("drop.example", "QNAME drop"), ("tcp.example", "QNAME tcp-only"),
    ("local.example", "QNAME local"), ("star.example", ""), ("a.star.example", "QNAME cname"),
    ("a.deep.star.example", "QNAME nxdomain"), ("rpz.example", ""), ("example", ""),
]  # fmt: skip


@pytest.mark.parametrize(("qname", "wanted"), QNAME)
def test_a_name_finds_the_action_of_its_trigger(qname: str, wanted: str) -> None:
    """The exact name wins, then the wildcard with the longest name."""
    assert shown(before(zone(ZONE), qname=qname)) == wanted


CLIENTS = [("10.0.2.8", "CLIENT-IP drop"), ("10.0.2.9", "CLIENT-IP passthru"), ("2001:db8:1::5", "CLIENT-IP nxdomain"), ("10.0.3.1", "")]


@pytest.mark.parametrize(("client", "wanted"), CLIENTS)
def test_a_client_finds_the_action_of_its_longest_network(client: str, wanted: str) -> None:
    """CLIENT-IP triggers go by the longest prefix, in both families."""
    assert shown(before(zone(ZONE), client=client)) == wanted


ADDRESSES = [
    (["127.0.0.1"], "IP nxdomain"), (["127.0.0.1", "127.0.0.7"], "IP passthru"), (["::1"], "IP nodata"), (["192.0.2.1"], ""),
]  # fmt: skip


@pytest.mark.parametrize(("addresses", "wanted"), ADDRESSES)
def test_an_answer_finds_the_action_of_the_longest_prefix_among_its_addresses(addresses: list[str], wanted: str) -> None:
    """IP triggers go by the longest prefix that holds any address of the answer."""
    numbers = [(address.version, int(address)) for address in map(ip_address, addresses)]
    assert shown(find_on_answer([zone(ZONE)], [], numbers, None)) == wanted


NX, PASS, DROP = "CNAME .", "CNAME rpz-passthru.", "CNAME rpz-drop."
PRECEDENCE = [
    ([f"a.test {NX}", f"a.test {PASS}"], "QNAME nxdomain"),
    ([f"b.test {NX}", f"a.test {PASS}"], "QNAME passthru"),
    ([f"a.test {NX}\n32.1.2.0.192.rpz-client-ip {DROP}"], "CLIENT-IP drop"),
    ([f"a.test {NX}", f"32.1.2.0.192.rpz-client-ip {DROP}"], "QNAME nxdomain"),
    ([f"a.test {NX}\n32.7.2.0.192.rpz-ip {DROP}"], "QNAME nxdomain"),
    ([f"32.7.2.0.192.rpz-ip {DROP}", f"a.test {NX}"], "IP drop"),
    ([f"32.8.2.0.192.rpz-ip {DROP}", f"a.test {NX}"], "QNAME nxdomain"),
]


@pytest.mark.parametrize(("zones", "wanted"), PRECEDENCE)
def test_the_first_zone_wins_then_client_then_name_then_address(zones: list[str], wanted: str) -> None:
    """BIND's order: zone first, in one zone CLIENT-IP before QNAME before IP, also where an answer has to be awaited."""
    opened = [zone(text) for text in zones]
    found = before(*opened, qname="a.test", client="192.0.2.1")
    assert must_wait(opened, found) == ("rpz-ip" in zones[0] and len(zones) > 1)
    answer = ip_address("192.0.2.7")
    if must_wait(opened, found):
        found = find_on_answer(opened, [], [(4, int(answer))], found)
    assert shown(found) == wanted


HOPS = [
    ([f"c.test {NX}\n32.7.2.0.192.rpz-ip {DROP}"], "QNAME nxdomain"),
    ([f"32.7.2.0.192.rpz-ip {DROP}", f"c.test {NX}"], "IP drop"),
    ([f"b.test {PASS}\nc.test {NX}"], "QNAME passthru"),
    ([f"c.test {NX}", f"b.test {PASS}"], "QNAME nxdomain"),
    ([f"d.test {NX}"], ""),
]


@pytest.mark.parametrize(("zones", "wanted"), HOPS)
def test_name_triggers_are_for_the_names_an_answer_passes(zones: list[str], wanted: str) -> None:
    """CNAME targets count as names asked, in their order, in one zone before addresses."""
    opened = [zone(text) for text in zones]
    assert must_wait(opened, None)
    found = find_on_answer(opened, [suffixes("b.test"), suffixes("c.test")], [(4, int(ip_address("192.0.2.7")))], None)
    assert shown(found) == wanted


FORMS = [
    ("nx.example", "nxdomain", 15, 7200), ("nodata.example", "nodata", 15, 300), ("drop.example", "drop", -1, 7200),
    ("local.example", "records", 4, 7200), ("walled.example", "cname", 4, 7200), ("a.star.example", "cname", 4, 7200),
]  # fmt: skip


@pytest.mark.parametrize(("qname", "form", "ede", "ttl"), FORMS)
def test_an_action_says_how_to_answer(qname: str, form: str, ede: int, ttl: int) -> None:
    """Blocking is EDE 15, local data and redirects are forged answers."""
    found = before(zone(ZONE), qname=qname)
    assert found is not None
    answer = found.action.form(qname)
    assert answer is not None
    assert (answer.form, answer.ede, answer.ttl) == (form, ede, ttl)
    targets = {"walled.example": "garden.example.net", "a.star.example": "a.star.example.garden.example.net"}
    assert answer.target == targets.get(qname, "")
    local = (("A", "192.0.2.1"), ("A", "192.0.2.2"), ("AAAA", "2001:db8::1"), ("TXT", '"two words"'))
    assert answer.records == (local if qname == "local.example" else ())


def test_a_zone_taken_as_a_set_of_names_holds_its_name_triggers() -> None:
    """In other actions than rpz a zone is its names, but for the exceptions written in it."""
    contents = read(ZONE, "rpz")
    held = [name for name, _ in QNAME if contents.names.holds(suffixes(name))]
    assert held == ["nx.example", "a.b.nx.example", "a.ok.nx.example", "absolute.example", "nodata.example", "drop.example",
                    "tcp.example", "local.example", "a.star.example", "a.deep.star.example"]  # fmt: skip


def test_a_star_alone_is_every_name() -> None:
    """The wildcard at the top of a zone is for whatever no other trigger is for."""
    every = zone(f"* {NX}\na.test {PASS}")
    assert shown(before(every, qname="b.test")) == "QNAME nxdomain"
    assert shown(before(every, qname="a.test")) == "QNAME passthru"


UNSEEN = "triggers are refused: this resolver asks other resolvers and never sees the name servers of a zone"
NETWORK = "expected a prefix length and an address backwards, such as 24.0.2.0.192 or 48.zz.db8.2001, got"
TROUBLES = [
    ("ns.bad.rpz-nsdname CNAME .", f"NSDNAME {UNSEEN}"),
    ("32.1.2.0.192.rpz-nsip CNAME .", f"NSIP {UNSEEN}"),
    ("x.rpz-qname CNAME .", "rpz-qname is no kind of trigger, expected rpz-client-ip or rpz-ip behind an address"),
    ("33.1.2.0.192.rpz-ip CNAME .", f"{NETWORK} '33.1.2.0.192': '33' is not a valid netmask"),
    ("24.1.2.0.192.rpz-ip CNAME .", f"{NETWORK} '24.1.2.0.192': 192.0.2.1/24 has host bits set"),
    ("a.com CNAME rpz-drop", "rpz-drop without its final dot is a name in this zone, expected rpz-drop."),
    ("a.com CNAME b.com", "expected a target with its final dot, got 'b.com'"),
    ("a.com CNAME b. c.", "expected one name behind CNAME, got 'b. c.'"),
    ("a.com. CNAME .", "a.com. is not below the zone, which has no $ORIGIN and no SOA record with its name"),
    ("a.com A 192.0.2", "expected an address of type A, got '192.0.2'"),
    ("a.com DNAME b.", "type DNAME is no action, expected CNAME or one of A, AAAA, CAA, HTTPS, MX, PTR, SRV, SVCB, TXT"),
    ("a.com CNAME .\na.com A 192.0.2.1", "a.com: a CNAME stands alone, no other records beside it"),
    ("a.com A 192.0.2.1\na.com CNAME .", "a.com: a CNAME stands alone, no other records beside it"),
    ("a.com CNAME .\na.com CNAME *.", "a.com: a second CNAME, the first one stays"),
    ("a..com CNAME .", "a label is empty (two dots in a row)"),
    ("a.com", "expected owner, type and data, got 'a.com' alone"),
    ("a.com CNAME", "type CNAME has no data"),
    ("a.com CH CNAME .", "class CH has no place here, expected IN"),
    (" CNAME .", "expected an owner name, as there is no record before to take it from"),
    ("$INCLUDE /etc/passwd", "expected a record, $ORIGIN NAME. or $TTL SECONDS, got '$INCLUDE /etc/passwd'"),
    ("$ORIGIN rel", "expected $ORIGIN and a name with its final dot, got 'rel'"),
    ("a.com TXT ( open", "a parenthesis that is opened here is never closed"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), TROUBLES)
def test_a_record_that_means_nothing_is_told_with_its_line(text: str, message: str) -> None:
    """File, line and reason; records around it stand."""
    contents = read(f"good.example CNAME .\n{text}\n" if not text.startswith(" ") else f"{text}\ngood.example CNAME .\n", "rpz")
    line = 1 if text.startswith(" ") else 2 + text.count("\n")
    assert contents.troubles == (f"list.txt:{line}: {message}",)
    assert contents.names.holds(["good.example", "example"])


WORDS = st.sampled_from(
    ["a", "*", "@", ".", "*.", "\n", "\n", " ", "\t", "(", ")", '"', "\\", ";", "$ORIGIN", "$TTL", "x.", "IN", "CNAME", "A", "TXT",
     "60", "192.0.2.1", "rpz-ip", "32.1.2.0.192.rpz-ip", "128.zz.rpz-ip", "zz.zz.rpz-ip", "rpz-drop.", "SOA", "\0", "ü", "\x85"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=30).map(" ".join) | st.text(max_size=80) | st.binary(max_size=80))
def test_no_text_breaks_the_reading_of_a_zone(text: str | bytes) -> None:
    """Whatever stands in a zone file, what comes of it can be asked."""
    content = text if isinstance(text, bytes) else text.encode()
    opened = open_index(b"".join(build_index(content, "rpz")), "z").zone
    assert opened is not None
    found = before(opened, qname="a.x")
    assert found is None or found.action.kind
    assert opened.by_addresses([(4, 1), (6, 1)]) is None or opened.addresses


def test_a_zone_of_many_pieces_is_put_together_again() -> None:
    """Thousands of actions and networks are kept in pieces, each action with its own trigger."""
    local = [f"n{number}.test A 10.0.{number >> 8}.{number & 255}" for number in range(1000)]
    clients = [f"32.{number & 255}.{number >> 8}.1.10.rpz-client-ip A 10.1.{number >> 8}.{number & 255}" for number in range(1000)]
    many = zone("\n".join([*local, *clients, "* CNAME ."]))
    for number in (0, 255, 256, 999):
        where = f"{number >> 8}.{number & 255}"
        by_name, by_client = before(many, qname=f"n{number}.test"), before(many, client=f"10.1.{where}")
        assert by_name is not None
        assert by_client is not None
        assert by_name.action.records == (("A", f"10.0.{where}"),)
        assert by_client.action.records == (("A", f"10.1.{where}"),)
    assert shown(before(many, qname="other")) == "QNAME nxdomain"
