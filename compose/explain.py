"""``nameward explain``: why a client gets the answer it gets, from files alone or from a running resolver."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from compose.failure import Failure
from compose.layout import endpoints_of
from compose.options import directory_option
from compose.policy_options import json_option
from compose.ports import Address


@click.command("explain")
@click.argument("name")
@click.argument("kind", metavar="[TYPE]", default="A")
@click.option("--tenant", default="", metavar="NAME", help="Tenant of the client; an address says it by itself.")
@click.option(
    "--client", default="", metavar="IP|LABELS", help="Who asks: an address, or labels such as app=frontend,env=prod."
)
@click.option("--transport", type=click.Choice(["udp", "tcp", "tls", "https"]), default="udp", show_default=True)
@click.option(
    "--listener", default="", metavar="NAME", help="Listener the query comes in by; the unnamed one by default."
)
@click.option(
    "--files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, allow_dash=True),
    metavar="FILE",
    help="Explain by these files or directories instead of a running resolver; may be given again.",
)
@click.option(
    "--admin", default=None, envvar="NAMEWARD_ADMIN", metavar="HOST:PORT", show_envvar=True,
    help="Admin endpoint of the resolver to ask; the stack's by default.",
)  # fmt: skip
@json_option
@directory_option
def command(
    *, name: str, kind: str, tenant: str, client: str, transport: str, listener: str, files: tuple[Path, ...],
    admin: str | None, as_json: bool, directory: Path,
) -> None:  # fmt: skip
    """Tell every rule considered for a query, whether it matched and why not, the verdict, and the place of the answer.

    The query is NAME and TYPE (A by default), asked by --client, of --tenant.
    """
    if not client and not tenant:
        raise Failure("who asks? give --client IP, or --tenant with --client LABELS or alone")
    if files and admin:
        raise Failure("--files explains without a resolver, --admin asks one: give one of them")
    asked = {
        "name": name,
        "type": kind,
        "transport": transport,
        "client": client,
        "tenant": tenant,
        "listener": listener,
    }
    asked = {key: value for key, value in asked.items() if value}
    if files:
        story = by_files(files, asked, directory)
    else:
        story = by_resolver(Address.parse(admin or endpoints_of(directory).admin), asked)
    if as_json:
        click.echo(json.dumps(story, indent=2, ensure_ascii=False))
        return
    from compose.story import show

    show(story)


def by_files(files: tuple[Path, ...], asked: dict[str, str], directory: Path) -> dict[str, Any]:
    """The story by documents alone, and files of domain sets at hand: no overlays, no signals, nothing cached.

    Raises:
        Failure: if the documents are wrong, or the query is.
    """
    from compose.policy_files import check_alone, read_files
    from compose.policy_set_files import held_files
    from resolver.cache import Caches
    from resolver.explain import explained_request
    from resolver.policy.compiler import PolicyError, compile_policy

    documents = read_files(files)
    check_alone(documents)
    objects = {document.key: document.obj for document in documents}
    contents, elsewhere = held_files(documents, directory)
    now = time.time()
    try:
        compiled = compile_policy(objects, {}, now=now, version="of these files", epoch=0, files=contents)
        story = explained_request(compiled, Caches(1), asked, now)
    except (PolicyError, ValueError) as error:
        raise Failure(str(error)) from error
    if elsewhere:
        story["notes"] = [f"sets in files of the resolver's host were taken as empty: {', '.join(elsewhere)}"]
    return story


def by_resolver(admin: Address, asked: dict[str, str]) -> dict[str, Any]:
    """The story as a running resolver tells it.

    Raises:
        Failure: if none answers, or it refuses the question; in its own words.
    """
    connection = HTTPConnection(admin.host, admin.port, timeout=10)
    try:
        connection.request("GET", f"/explain?{urlencode(asked)}")
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException) as error:
        raise Failure(
            f"no resolver answers at http://{admin}: {error} (is the stack up? --files needs none)"
        ) from error
    finally:
        connection.close()
    try:
        story: dict[str, Any] = json.loads(body)
    except ValueError:
        raise Failure(f"http://{admin}/explain answered {response.status}, and not what a resolver says") from None
    if response.status != 200:
        raise Failure(str(story.get("error", story)))
    return story
