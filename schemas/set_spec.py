"""The spec of a DomainSet: a named set of domain patterns, written inline or in a file; up to millions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schemas.spec import Pattern, Spec


class SetFile(Spec, frozen=True, kw_only=True):
    """A file on the resolver's host, below the directory its settings name; read again when it changes.

    format: ``names`` (one pattern a line, # begins a comment), ``hosts`` (address and names a line), ``rpz`` (a zone
    file of response policy).
    """

    path: Annotated[str, Meta(min_length=1, max_length=1000)]
    format: Literal["names", "hosts", "rpz"] = "names"


class DomainSetSpec(Spec, frozen=True, kw_only=True):
    """A named set of domain patterns: `names` inline, or one `file`, or `zone`, the text of a small RPZ zone inline."""

    names: list[Pattern] = []
    file: SetFile | None = None
    zone: str = ""
