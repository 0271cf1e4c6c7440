"""The key of pseudonyms: a file of 32 random bytes, shared by the workers of one directory."""

from __future__ import annotations

import secrets
from pathlib import Path

from resolver.privacy import KEY_SIZE


def load_key(path: Path, *, make: bool) -> bytes:
    """Read the key.

    Args:
        path: file of 32 bytes.
        make: make one when there is none; of several workers that do so at once all get the same.

    Raises:
        OSError: when it cannot be read or made.
        ValueError: when the file holds something else, or others may read it.
    """
    if make and not path.exists():
        _make(path)
    key = path.read_bytes()
    if len(key) != KEY_SIZE:
        raise ValueError(f"pseudonym key {path} must hold {KEY_SIZE} bytes, it holds {len(key)}")
    if path.stat().st_mode & 0o077:
        raise ValueError(f"pseudonym key {path} can be read by others; its mode must be 600")
    return key


def _make(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_bytes(secrets.token_bytes(KEY_SIZE))
    try:
        path.hardlink_to(draft)  # unlike a rename, this leaves a key that another worker made meanwhile
    except FileExistsError:
        pass
    finally:
        draft.unlink()
