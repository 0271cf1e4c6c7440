"""How clients appear in events: as they are, under a prefix-preserving pseudonym, or not at all.

Pseudonyms are Crypto-PAn (Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002): addresses
that share n leading bits have pseudonyms that share exactly n leading bits, so subnets stay visible and hosts do not.
Whoever has the key can undo them. This module must not know events or files.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_SIZE = 32
"""Bytes of a key: 16 for AES, 16 from which the padding is made."""
_BLOCK = 16


class CryptoPan:
    """Pseudonyms under one key.

    Args:
        key: 32 random bytes.

    Raises:
        ValueError: for a key of another size.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"a pseudonym key has {KEY_SIZE} bytes, this one has {len(key)}")
        # ECB is right here: the paper's pseudorandom function is one block of AES, and no block is ever a message.
        self._cipher = Cipher(algorithms.AES(key[:_BLOCK]), modes.ECB())  # noqa: S305
        self._pad = int.from_bytes(self._blocks(key[_BLOCK:]), "big")

    def pseudonym(self, address: str) -> str:
        """Pseudonym of an IPv4 or IPv6 address; an IPv4-mapped one is treated as the IPv4 address it holds.

        Raises:
            ValueError: if the text is no address.
        """
        parsed = ipaddress.ip_address(address)
        if parsed.version == 6 and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        bits = parsed.max_prefixlen
        number = int(parsed) ^ self._flips(int(parsed), bits)
        return str(ipaddress.IPv4Address(number) if parsed.version == 4 else ipaddress.IPv6Address(number))

    def _flips(self, number: int, bits: int) -> int:
        """One bit for each bit of the address, each depending on all bits before it."""
        top = number << 128 - bits
        blocks = []
        for taken in range(bits):
            kept = (1 << 128) - (1 << 128 - taken)  # the address's first `taken` bits, then the padding's
            blocks.append((top & kept | self._pad & ~kept).to_bytes(_BLOCK, "big"))
        flips = 0
        for block in memoryview(self._blocks(b"".join(blocks)))[::_BLOCK]:
            flips = flips << 1 | block >> 7
        return flips

    def _blocks(self, plain: bytes) -> bytes:
        encryptor = self._cipher.encryptor()
        return encryptor.update(plain) + encryptor.finalize()


class ClientView:
    """Shows clients as their tenant's privacy setting says.

    Args:
        key: key of pseudonyms.
        capacity: pseudonyms remembered, least recently used first out.
    """

    def __init__(self, key: bytes, capacity: int = 16384) -> None:
        self._pan = CryptoPan(key)
        self._capacity = capacity
        self._known: OrderedDict[str, str] = OrderedDict()

    def show(self, privacy: str, address: str) -> str:
        """The client as events may show it.

        Args:
            privacy: ``clear``, ``pseudonym`` or ``drop``.
            address: in presentation format.
        """
        if privacy == "clear":
            return address
        if privacy != "pseudonym":
            return ""
        shown = self._known.get(address)
        if shown is None:
            shown = self._known[address] = self._pan.pseudonym(address)
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(address)
        return shown
