"""``nameward schema``: the JSON Schema that editors check and complete policy documents with."""

from __future__ import annotations

import click

from compose.policy_options import Kind


@click.command("schema")
@click.argument("kind", type=Kind(), required=False)
def command(*, kind: str | None) -> None:
    """Print the JSON Schema of one KIND, or of any policy object.

    Write it to a file and name that file where your editor looks: `# yaml-language-server: $schema=FILE` as the first
    line of a document, or `yaml.schemas` in the settings of VS Code.
    """
    from schemas.json_schema import DIRECTORY

    click.echo((DIRECTORY / f"{(kind or 'objects').lower()}.json").read_text("utf-8"), nl=False)
