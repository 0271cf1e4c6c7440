"""Data of the records of virtual names: read strictly, and spelt the way everything behind it expects.

The parser behind resolver/wire.py takes more than it should (it drops words at the end of a line, and writes service
parameters in the order given); here an operator's mistake is an error that says what was expected. This module must not
know objects, names' owners or messages.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

from resolver.policy.patterns import PatternError, canonical_name
from resolver.wire import rdata_wire

_SUCH_AS = {
    "CNAME": "host.example.",
    "PTR": "host.example.",
    "MX": "10 mail.example.",
    "SRV": "10 5 443 host.example.",
    "TXT": '"text"',
    "HTTPS": "1 . alpn=h2,h3 port=443",
    "SVCB": "1 svc.example. alpn=dot port=853",
}
_SVC_KEYS = {"mandatory": 0, "alpn": 1, "no-default-alpn": 2, "port": 3, "ipv4hint": 4, "ech": 5, "ipv6hint": 6,
             "dohpath": 7, "ohttp": 8}  # fmt: skip
"""RFC 9460 section 14.3.2, RFC 9461 section 5, RFC 9540 section 4."""
_KNOWN_TO_WIRE = 6
_PARAMETER = re.compile(r'\s+([a-z0-9-]+)(?:=(?:"([^"\\]*)"|([^\s"\\]*)))?(?=\s|$)')
_KEY = re.compile(r"key(0|[1-9][0-9]{0,4})")


def read_data(kind: str, text: str) -> str:
    """Data of a record of this type, as an operator writes it, in the one spelling used from here on.

    Raises:
        ValueError: saying what was expected.
    """
    if kind in {"A", "AAAA"}:
        return _address(4 if kind == "A" else 6, text)
    text = text.strip()
    try:
        spelt = _READERS[kind](_line(text))
        rdata_wire(kind, spelt)
    except ValueError as error:
        raise ValueError(f"expected {kind} data such as {_SUCH_AS[kind]!r}, got {text!r}: {error}") from error
    return spelt


def _address(version: int, text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.version != version or "%" in text:
        raise ValueError(f"expected an IPv{version} address, got {text!r}")
    return str(address)


def _line(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("it must be one line of text")
    return text


def _name(text: str) -> str:
    try:
        name = canonical_name(text)
    except PatternError as error:
        raise ValueError(f"{text!r} is no domain name: {error}") from error
    return name if name == "." else f"{name}."


def _number(text: str, what: str) -> str:
    if not (text.isascii() and text.isdecimal()) or int(text) > 65535:
        raise ValueError(f"the {what} {text!r} is no number between 0 and 65535")
    return str(int(text))


def _words(text: str, *numbers: str) -> str:
    """Numbers, then a name, and nothing behind it."""
    words = text.split()
    if len(words) != len(numbers) + 1:
        expected = " ".join((*numbers, "name"))
        raise ValueError(f"it has {len(words)} words, not {len(numbers) + 1} ({expected})")
    return " ".join((*(_number(word, what) for word, what in zip(words, numbers, strict=False)), _name(words[-1])))


def _text(text: str) -> str:
    if text.count('"') - text.count('\\"') & 1:
        raise ValueError("a quotation mark is not closed")
    return text


def _service(text: str) -> str:
    """RFC 9460 section 2: priority, target, then parameters in rising order of their keys, each key once."""
    priority, _, rest = text.partition(" ")
    target = rest.split(maxsplit=1)[0] if rest.strip() else ""
    if not target:
        raise ValueError("a priority and a target are needed")
    head = f"{_number(priority, 'priority')} {_name(target)}"
    parameters = _parameters(rest.lstrip()[len(target) :])
    if parameters and int(priority) == 0:
        raise ValueError("priority 0 makes an alias, which has no parameters")
    _check_mandatory(parameters)
    return " ".join((head, *(parameters[number] for number in sorted(parameters))))


def _parameters(text: str) -> dict[int, str]:
    found: dict[int, str] = {}
    at = 0
    while text[at:].strip():
        match = _PARAMETER.match(text, at)
        if match is None:
            raise ValueError(f"{text[at:].strip()!r} is no parameter")
        at = match.end()
        number = _key_number(match[1])
        if number in found:
            raise ValueError(f"parameter {match[1]} stands there twice")
        value = match[2] if match[2] is not None else match[3]
        key = match[1] if number <= _KNOWN_TO_WIRE else f"key{number}"
        found[number] = key if value is None else f"{key}={value}"
    return found


def _key_number(key: str) -> int:
    if key in _SVC_KEYS:
        return _SVC_KEYS[key]
    match = _KEY.fullmatch(key)
    if match is None or int(match[1]) > 65534:
        raise ValueError(f"parameter {key} is unknown; those without a name are written keyNNNNN")
    return int(match[1])


def _check_mandatory(parameters: Mapping[int, str]) -> None:
    keys = parameters[0].partition("=")[2].split(",") if 0 in parameters else []
    lacking = [key for key in keys if _key_number(key) not in parameters or key == "mandatory"]
    if lacking or (0 in parameters and not keys):
        raise ValueError(f"mandatory names {', '.join(lacking) or 'nothing'}, which must be another parameter given")


_READERS: Mapping[str, Callable[[str], str]] = {
    "CNAME": _words,
    "PTR": _words,
    "MX": lambda text: _words(text, "preference"),
    "SRV": lambda text: _words(text, "priority", "weight", "port"),
    "TXT": _text,
    "HTTPS": _service,
    "SVCB": _service,
}
