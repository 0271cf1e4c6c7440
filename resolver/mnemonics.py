"""Mnemonics of types, classes and rcodes (IANA's DNS parameters), both ways. Tables, nothing else."""

from __future__ import annotations

_TYPES: dict[int, str] = {
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS",
    12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT",
    22: "NSAP", 24: "SIG", 25: "KEY", 27: "GPOS", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 36: "KX",
    37: "CERT", 38: "A6", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG",
    47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP",
    56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD",
    64: "SVCB", 65: "HTTPS", 66: "DSYNC", 99: "SPF", 100: "UINFO", 104: "NID", 105: "L32", 106: "L64", 107: "LP",
    108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA",
    255: "ANY", 256: "URI", 257: "CAA", 258: "AVC", 260: "AMTRELAY", 32768: "TA", 32769: "DLV",
}  # fmt: skip
_NUMBERS: dict[str, int] = {name: number for number, name in _TYPES.items()}
_CLASSES = {1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}
_RCODES: dict[int, str] = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
    8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME",
    19: "BADMODE", 20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}  # fmt: skip
_RCODE_NUMBERS: dict[str, int] = {name: number for number, name in _RCODES.items()}


def type_name(number: int) -> str:
    """Mnemonic of a type, or TYPEn (RFC 3597 section 5)."""
    return _TYPES.get(number) or f"TYPE{number}"


def type_number(name: str) -> int:
    """Number of a type given as mnemonic or TYPEn.

    Raises:
        KeyError: when it is neither.
    """
    number = _NUMBERS.get(name)
    if number is None and name.startswith("TYPE") and name[4:].isdecimal():
        number = int(name[4:])
    if number is None or number > 65535:
        raise KeyError(name)
    return number


def class_name(number: int) -> str:
    """Mnemonic of a class, or CLASSn."""
    return _CLASSES.get(number) or f"CLASS{number}"


def rcode_name(number: int) -> str:
    """Mnemonic of an rcode, or RCODEn."""
    return _RCODES.get(number) or f"RCODE{number}"


def rcode_number(name: str) -> int:
    """Number of a response code given as mnemonic or RCODEn.

    Raises:
        KeyError: when it is neither.
    """
    number = _RCODE_NUMBERS.get(name)
    if number is None and name.startswith("RCODE") and name[5:].isdecimal():
        number = int(name[5:])
    if number is None or number > 4095:  # RFC 6891 section 6.1.3: twelve bits
        raise KeyError(name)
    return number
