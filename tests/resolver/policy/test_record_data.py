"""Data of virtual records: one spelling out, every mistake named."""

from __future__ import annotations

import pytest

from resolver.policy.record_data import read_data
from resolver.wire import rdata_wire


@pytest.mark.parametrize(
    ("kind", "text", "spelt"),
    [
        ("A", "192.0.2.1", "192.0.2.1"), ("AAAA", "2001:DB8:0::1", "2001:db8::1"), ("CNAME", "Host.Example", "host.example."),
        ("PTR", "bücher.example.", "xn--bcher-kva.example."), ("MX", " 10   Mail.example ", "10 mail.example."), ("MX", "0 .", "0 ."),
        ("SRV", "010 5 443 host.example.", "10 5 443 host.example."), ("TXT", '"v=spf1 -all" "more"', '"v=spf1 -all" "more"'),
        ("HTTPS", "1 . port=8443 alpn=h2,h3", "1 . alpn=h2,h3 port=8443"), ("HTTPS", '1 . alpn="h2,h3"', "1 . alpn=h2,h3"),
        ("HTTPS", "0 Alias.example", "0 alias.example."), ("HTTPS", "1 . no-default-alpn alpn=h2", "1 . alpn=h2 no-default-alpn"),
        ("SVCB", "1 dns.example. dohpath=/dns-query{?dns} alpn=h2", "1 dns.example. alpn=h2 key7=/dns-query{?dns}"),
        ("SVCB", "1 . alpn=dot mandatory=alpn", "1 . mandatory=alpn alpn=dot"), ("HTTPS", "16 . key65333=ab", "16 . key65333=ab"),
        ("HTTPS", "1 . ipv6hint=2001:db8::1 ipv4hint=192.0.2.1,192.0.2.2", "1 . ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1"),
    ],
)  # fmt: skip
def test_one_spelling(kind: str, text: str, spelt: str) -> None:
    """However an operator spells it, names are absolute, numbers plain, service parameters in the order of the wire."""
    assert read_data(kind, text) == spelt
    assert rdata_wire(kind, spelt)


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("A", "2001:db8::1", "expected an IPv4 address, got '2001:db8::1'"),
        ("AAAA", "fe80::1%eth0", "expected an IPv6 address, got 'fe80::1%eth0'"),
        ("CNAME", "a b", "expected CNAME data such as 'host.example.', got 'a b': it has 2 words, not 1 (name)"),
        ("PTR", "a..b", "expected PTR data such as 'host.example.', got 'a..b': 'a..b' is no domain name: a label is empty (two dots in a row)"),
        ("MX", "mail.example.", "expected MX data such as '10 mail.example.', got 'mail.example.': it has 1 words, not 2 (preference name)"),
        ("MX", "65536 mail.", "expected MX data such as '10 mail.example.', got '65536 mail.': the preference '65536' is no number between 0 and 65535"),
        ("SRV", "1 2 3 h. more", "expected SRV data such as '10 5 443 host.example.', got '1 2 3 h. more': it has 5 words, not 4 (priority weight port name)"),
        ("SRV", "1 2 http h.", "expected SRV data such as '10 5 443 host.example.', got '1 2 http h.': the port 'http' is no number between 0 and 65535"),
        ("TXT", "", "expected TXT data such as '\"text\"', got '': it must be one line of text"),
        ("TXT", '"open', "expected TXT data such as '\"text\"', got '\"open': a quotation mark is not closed"),
        ("HTTPS", "1", "expected HTTPS data such as '1 . alpn=h2,h3 port=443', got '1': a priority and a target are needed"),
        ("HTTPS", "x .", "expected HTTPS data such as '1 . alpn=h2,h3 port=443', got 'x .': the priority 'x' is no number between 0 and 65535"),
        ("HTTPS", "1 . bogus=1", "expected HTTPS data such as '1 . alpn=h2,h3 port=443', got '1 . bogus=1': parameter bogus is unknown; those without a name are written keyNNNNN"),
        ("HTTPS", "1 . alpn=h2 alpn=h3", "expected HTTPS data such as '1 . alpn=h2,h3 port=443', got '1 . alpn=h2 alpn=h3': parameter alpn stands there twice"),
        ("HTTPS", "1 . ALPN=h2", "expected HTTPS data such as '1 . alpn=h2,h3 port=443', got '1 . ALPN=h2': 'ALPN=h2' is no parameter"),
        ("SVCB", "0 a. alpn=dot", "expected SVCB data such as '1 svc.example. alpn=dot port=853', got '0 a. alpn=dot': priority 0 makes an alias, which has no parameters"),
        ("SVCB", "1 a. mandatory=port", "expected SVCB data such as '1 svc.example. alpn=dot port=853', got '1 a. mandatory=port': mandatory names port, which must be another parameter given"),
    ],
)  # fmt: skip
def test_mistakes(kind: str, text: str, why: str) -> None:
    """What is no data of the type is refused, with what was expected."""
    with pytest.raises(ValueError, match="^expected") as caught:
        read_data(kind, text)
    assert str(caught.value) == why


@pytest.mark.parametrize("text", ["1 . port=99999", "1 . ipv4hint=2001:db8::1", '"' + "x" * 300 + '"'])
def test_what_only_the_wire_knows(text: str) -> None:
    """Values that do not fit on the wire are refused too."""
    with pytest.raises(ValueError, match="^expected (HTTPS|TXT) data such as"):
        read_data("TXT" if text.startswith('"') else "HTTPS", text)
