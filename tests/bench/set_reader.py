"""`python -m tests.bench.set_reader LISTS INDEXES FILE STEP`: a process that maps a domain set and looks names up, when told.

It answers each line on standard input with one of its own: after the first it has the set, after the second it ends.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from resolver.policy.patterns import suffixes
from resolver.policy.steps import finish
from resolver.set_place import Places
from schemas.objects import SetFile


def main(lists: Path, indexes: Path, name: str, step: int) -> None:
    """Say hello, open the set and look up every `step`-th of its names and as many that are not there, say how long that took."""
    places, file = Places(lists, indexes), SetFile(path=name)
    print("ready", flush=True)
    sys.stdin.readline()
    seen = places.look(file)
    contents = finish(places.opening(places.key_of(seen, file), file))
    assert contents is not None
    took = {}
    for kind, first in (("hit", ""), ("miss", "x")):
        asked = [suffixes(f"{first}{line.strip()}") for number, line in enumerate(seen.path.open()) if not number % step]
        begun = time.perf_counter()
        found = sum(map(contents.names.holds, asked))
        took[kind] = (time.perf_counter() - begun) / len(asked) * 1e6
        assert found == (0 if first else len(asked))
        del asked
    print(json.dumps(took), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
