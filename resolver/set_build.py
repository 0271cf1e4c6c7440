"""`python -m resolver.set_build SOURCE FORM KEY DIRECTORY`: the index of a big file, built in a process of its own.

So that no worker stands still meanwhile and what building needs of memory goes back. One builder at a time makes an
index: the others wait for its lock and find the file. It appears under its name whole or not at all.
"""

from __future__ import annotations

import fcntl
import os
import sys
from hashlib import sha256
from pathlib import Path

from resolver.policy.set_contents import build_index, index_key

CHANGED = 3
"""Exit status when the source is not the text it was: whoever asked looks again."""
SUFFIX = ".index"
_NICE = 5


def build(source: Path, form: str, key: str, directory: Path) -> int:
    """Build an index unless it is there; exit status."""
    with (directory / f"{key}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with this process, however it ends
        target = directory / f"{key}{SUFFIX}"
        if target.exists():
            return 0
        content = source.read_bytes()
        if index_key(sha256(content).digest(), form) != key:
            return CHANGED
        draft = directory / f"{key}.{os.getpid()}.draft"
        try:
            with draft.open("wb") as file:
                file.writelines(build_index(content, form))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    os.nice(_NICE)  # queries first
    sys.exit(build(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])))
