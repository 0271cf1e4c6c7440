"""Certificates for tests: an issuer of its own, certificates for names and addresses, also expired or self-signed ones."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


class Issuer:
    """Vouches for certificates; ``ca_file`` is its own."""

    def __init__(self, directory: Path, name: str = "issuer") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._key, self._name = directory, ec.generate_private_key(ec.SECP256R1()), _name(name)
        self._made = 0
        self._own = _certificate(self._name, self._name, self._key, self._key, days=(-10, 10), ca=True)
        self.ca_file = str(self._write("ca", [self._own]))

    def server(
        self, name: str = "dns.example.net", *, days: tuple[float, float] = (-1, 1), self_signed: bool = False, alpn: str = "dot"
    ) -> ssl.SSLContext:
        """Context of a server with a certificate for a name or an address, valid from and until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = (_name(name), key) if self_signed else (self._name, self._key)
        made = _certificate(_name(name), signer[0], key, signer[1], days=days, alternative=name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._write("server", [made, key]))
        context.set_alpn_protocols([alpn])
        return context

    def _write(self, kind: str, parts: list[x509.Certificate | Key]) -> Path:
        self._made += 1
        path = self._directory / f"{kind}{self._made}.pem"
        path.write_bytes(b"".join(_pem(part) for part in parts))
        return path


def _pem(part: x509.Certificate | Key) -> bytes:
    if isinstance(part, x509.Certificate):
        return part.public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8
    return part.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Key, signer: Key, *, days: tuple[float, float], ca: bool = False, alternative: str = ""
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), now + timedelta(days[0]), now + timedelta(days[1]))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(alternative)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
