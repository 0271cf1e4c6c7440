"""Accounts of analysts at the embedded store: one JSON file beside it, passwords as scrypt hashes (RFC 7914).

Written by ``nameward warehouse grant`` and ``revoke``, read by the store's HTTP interface whenever it has changed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from pathlib import Path

import msgspec

FILE = "analysts.json"
_N, _R, _P = 1 << 14, 8, 1  # 16 MiB and some 50 ms for each guess
_REMEMBERED = 256


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One analyst: the tenant, salt and hash of the password in hexadecimal."""

    tenant: str
    salt: str
    hash: str


def account(tenant: str, password: str) -> Account:
    """A new account."""
    salt = secrets.token_bytes(16)
    return Account(tenant=tenant, salt=salt.hex(), hash=_hash(password, salt).hex())


def read(directory: Path) -> dict[str, Account]:
    """Accounts by user; none where there is no file.

    Raises:
        OSError, msgspec.MsgspecError: the file cannot be read.
    """
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=dict[str, Account])
    except FileNotFoundError:
        return {}


def write(directory: Path, accounts: dict[str, Account]) -> None:
    """Replace the file; readable by its owner only."""
    draft = directory / f"{FILE}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(accounts)) + b"\n")
    draft.replace(directory / FILE)


class Doorkeeper:
    """Who an analyst's name and password open the store for. A right password is hashed once, then remembered."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._accounts: dict[str, Account] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._known: dict[tuple[str, bytes], str] = {}
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()

    def tenant_of(self, user: str, password: str) -> str | None:
        """The tenant, or None for a wrong password or an unknown user; takes equally long for both. Blocking."""
        digest = hmac.digest(self._key, password.encode(), "sha256")
        with self._lock:
            self._refresh()
            if (user, digest) in self._known:
                return self._known[user, digest]
            known = self._accounts.get(user)
        salt = bytes.fromhex(known.salt) if known else b"\0" * 16
        right = hmac.compare_digest(_hash(password, salt).hex(), known.hash if known else "")
        if known is None or not right:
            return None
        with self._lock:
            if self._accounts.get(user) == known:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[user, digest] = known.tenant
        return known.tenant

    def _refresh(self) -> None:
        try:
            status = (self._directory / FILE).stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            stamp = (0, 0, 0)
        if stamp == self._stamp:
            return
        self._known.clear()
        try:
            self._accounts = read(self._directory)
        except (OSError, msgspec.MsgspecError):
            self._accounts = {}  # nobody gets in by a file that cannot be read
        self._stamp = stamp


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P)
