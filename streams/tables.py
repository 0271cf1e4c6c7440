"""Tables on disk when their log is gone: ``python -m streams.tables DIRECTORY`` makes them fit an empty broker.

A table remembers how far it followed its changelog; on a broker that has forgotten its topics Faust would end with a
ConsistencyError. What the table holds is still right - its values carry their own high-water marks - so only the
offsets are forgotten. Runs while no worker has the tables open.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rocksdict import Options, Rdict

_OFFSET = b"__faust\0offset__"  # key of faust.stores.rocksdb.Store


def forget_offsets(directory: Path) -> int:
    """Forget how far the tables below a directory followed their changelogs; return how many tables there were.

    Raises:
        Exception: of RocksDB, if a table is damaged or open elsewhere.
    """
    found = 0
    for current in sorted(directory.rglob("CURRENT")):  # the file every RocksDB database has
        table = Rdict(str(current.parent), options=Options(raw_mode=True))
        try:
            if _OFFSET in table:
                del table[_OFFSET]
        finally:
            table.close()
        found += 1
    return found


if __name__ == "__main__":
    forget_offsets(Path(sys.argv[1]))
