"""JSON Schema of what operators write, for editors and custom resources; ``python -m schemas.json_schema`` writes it.

Generated from objects.py, never edited; a test says when it is no longer current. One file per kind, and objects.json
for any of them.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from schemas.objects import API_VERSION, KINDS, PolicyObject

DIRECTORY = Path(__file__).with_name("json")


def schemas() -> dict[str, bytes]:
    """File name -> JSON Schema (draft 2020-12), as it should stand in json/."""
    found = {f"{kind.lower()}.json": _schema(cls, kind) for kind, cls in KINDS.items()}
    return found | {"objects.json": _schema(PolicyObject, "any object")}


def _schema(kind: object, title: str) -> bytes:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{API_VERSION} {title}",
        **msgspec.json.schema(kind),
    }
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2) + b"\n"


if __name__ == "__main__":
    for name, text in schemas().items():
        (DIRECTORY / name).write_bytes(text)
