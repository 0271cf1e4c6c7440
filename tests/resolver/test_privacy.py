"""Pseudonyms: the authors' own vectors, prefix preservation, and what each setting shows."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.privacy import ClientView, CryptoPan

SAMPLE_KEY = bytes(
    [
        21,
        34,
        23,
        141,
        51,
        164,
        207,
        128,
        19,
        10,
        91,
        22,
        73,
        144,
        125,
        16,
        216,
        152,
        143,
        131,
        121,
        121,
        101,
        39,
        98,
        87,
        76,
        45,
        42,
        132,
        34,
        2,
    ]
)
# From the sample trace distributed with the authors' implementation.
SAMPLES = {
    "128.11.68.132": "135.242.180.132",
    "129.118.74.4": "134.136.186.123",
    "130.132.252.244": "133.68.164.234",
    "141.223.7.43": "141.167.8.160",
    "141.233.145.108": "141.129.237.235",
    "152.163.225.39": "151.140.114.167",
    "156.29.3.236": "147.225.12.42",
    "165.247.96.84": "162.9.99.234",
    "166.107.77.190": "160.132.178.185",
    "192.102.249.13": "252.138.62.131",
    "192.215.32.125": "252.43.47.189",
    "192.233.80.103": "252.25.108.8",
}


@pytest.mark.parametrize(("address", "pseudonym"), SAMPLES.items())
def test_the_published_samples(address: str, pseudonym: str) -> None:
    """Our pseudonyms are those of the authors' implementation."""
    assert CryptoPan(SAMPLE_KEY).pseudonym(address) == pseudonym


def _shared(one: str, other: str, bits: int) -> int:
    return bits - (int(ip_address(one)) ^ int(ip_address(other))).bit_length()


@given(st.integers(0, 2**32 - 1), st.integers(0, 31), st.integers(0, 2**32 - 1))
def test_exactly_the_shared_prefix_is_preserved(number: int, place: int, noise: int) -> None:
    """Two IPv4 addresses that differ first at bit n have pseudonyms that differ first at bit n."""
    below = (1 << place) - 1
    one, other = str(ip_address(number)), str(ip_address((number ^ 1 << place) & ~below | noise & below))
    pan = CryptoPan(SAMPLE_KEY)
    assert _shared(pan.pseudonym(one), pan.pseudonym(other), 32) == 31 - place


@given(st.integers(0, 2**128 - 1), st.integers(0, 127))
def test_ipv6_keeps_prefixes_too(number: int, place: int) -> None:
    """The same for 128 bits."""
    one, other = str(IPv6Address(number)), str(IPv6Address(number ^ 1 << place))
    if any(IPv6Address(address).ipv4_mapped for address in (one, other)):
        return
    pan = CryptoPan(SAMPLE_KEY)
    assert _shared(pan.pseudonym(one), pan.pseudonym(other), 128) == 127 - place


def test_a_mapped_address_is_the_ipv4_address() -> None:
    """A client on a dual-stack socket keeps its pseudonym."""
    pan = CryptoPan(SAMPLE_KEY)
    assert pan.pseudonym("::ffff:128.11.68.132") == pan.pseudonym("128.11.68.132")


def test_what_each_setting_shows() -> None:
    """Clear shows the address, pseudonym the pseudonym, drop nothing, and anything unknown nothing."""
    view = ClientView(SAMPLE_KEY)
    assert view.show("clear", "128.11.68.132") == "128.11.68.132"
    assert view.show("pseudonym", "128.11.68.132") == "135.242.180.132"
    assert view.show("drop", "128.11.68.132") == ""
    assert view.show("?", "128.11.68.132") == ""


def test_the_memory_of_pseudonyms_is_bounded() -> None:
    """More clients than the capacity leave the capacity behind, and the same answers."""
    view = ClientView(SAMPLE_KEY, capacity=10)
    first = [view.show("pseudonym", f"10.0.0.{host}") for host in range(50)]
    assert len(view._known) == 10
    assert first == [view.show("pseudonym", f"10.0.0.{host}") for host in range(50)]
    assert len(set(first)) == 50


def test_a_short_key_is_refused() -> None:
    """A key of another size never makes weak pseudonyms."""
    with pytest.raises(ValueError, match="32 bytes, this one has 16"):
        CryptoPan(bytes(16))
