"""``nameward warehouse grant|revoke|grants``: analysts, each of one tenant.

On a server they are users with a role, row policies and a quota, made by SQL; at the embedded store they are accounts
of its HTTP interface, in a file of the stack's directory.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

import click
import msgspec

from compose.failure import Failure
from compose.options import clickhouse_of, directory_option
from compose.warehouse_options import is_server, json_option, opened, warehouse_option
from streams.warehouse import accounts
from streams.warehouse.grants import MEMBERS, Grant, grant_statements, revoke_statements, tenant_of

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_RESERVED = frozenset({"default", "nameward"})
_SHORTEST = 8


@click.command("grant")
@click.argument("tenant")
@click.option("--user", default=None, metavar="NAME", help="TENANT-analyst by default.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Its first line is the password; without it one is made up and shown once.",
)
@click.option("--dry-run", is_flag=True, help="Show the SQL for a server, and change nothing.")
@json_option
@directory_option
@warehouse_option
def grant_command(
    *,
    tenant: str,
    user: str | None,
    password_file: Path | None,
    dry_run: bool,
    as_json: bool,
    directory: Path,
    url: str | None,
) -> None:
    """Let somebody read the rows of TENANT, and nothing else. Given again it renews the password."""
    user = _checked(user or f"{tenant}-analyst")
    password = _password(password_file)
    if dry_run:
        click.echo(";\n".join(grant_statements(Grant(tenant, user, password))) + ";")
        return
    if is_server(url):
        with opened(directory, url) as warehouse:
            for sql in grant_statements(Grant(tenant, user, password)):
                warehouse.execute(sql)
        where = ""
    else:
        people = _accounts(directory, url)
        _write(directory, {**people, user: accounts.account(tenant, password)})
        where = f"http://{clickhouse_of(directory, None)}"
    shown = {} if password_file else {"password": password}
    if as_json:
        click.echo(json.dumps({"tenant": tenant, "user": user, **shown}))
    else:
        click.echo(f"{user} reads {tenant}{f' at {where}' if where else ''}")
        if shown:
            click.echo(f"password (not shown again): {password}")


@click.command("revoke")
@click.argument("tenant")
@click.option("--user", default="", metavar="NAME", help="Only this one; all analysts of the tenant by default.")
@json_option
@directory_option
@warehouse_option
def revoke_command(*, tenant: str, user: str, as_json: bool, directory: Path, url: str | None) -> None:
    """End what was granted."""
    gone = [name for of, name in _members(directory, url) if of == tenant and user in {"", name}]
    if user and not gone:
        raise Failure(f"{user} reads nothing of {tenant}: see 'nameward warehouse grants'")
    if is_server(url):
        with opened(directory, url) as warehouse:
            for sql in revoke_statements(tenant, user):
                warehouse.execute(sql)
    else:
        people = _accounts(directory, url)
        _write(directory, {name: item for name, item in people.items() if name not in gone})
    click.echo(json.dumps({"tenant": tenant, "revoked": gone}) if as_json else f"revoked: {', '.join(gone) or 'none'}")


@click.command("grants")
@json_option
@directory_option
@warehouse_option
def grants_command(*, as_json: bool, directory: Path, url: str | None) -> None:
    """Show who reads which tenant."""
    members = _members(directory, url)
    if as_json:
        click.echo(json.dumps([{"tenant": tenant, "user": user} for tenant, user in members], indent=1))
    else:
        click.echo("\n".join(f"{tenant}\t{user}" for tenant, user in members) or "nobody but the operator")


def _members(directory: Path, url: str | None) -> list[tuple[str, str]]:
    """(tenant, user), sorted."""
    if not is_server(url):
        return sorted((item.tenant, name) for name, item in _accounts(directory, url).items())
    with opened(directory, url) as warehouse:
        return sorted((tenant_of(str(role)), str(user)) for user, role in warehouse.query(MEMBERS))


def _accounts(directory: Path, url: str | None) -> dict[str, accounts.Account]:
    if url:
        raise Failure(f"{url}: an embedded store keeps its analysts in its stack's directory; name that by --directory")
    if not (directory / "store").is_dir():
        raise Failure(f"there is no store in {directory}: 'nameward up' makes one, --warehouse names a server")
    try:
        return accounts.read(directory / "store")
    except (OSError, msgspec.MsgspecError) as error:
        raise Failure(f"{directory / 'store' / accounts.FILE} cannot be read: {error}") from error


def _write(directory: Path, people: dict[str, accounts.Account]) -> None:
    try:
        accounts.write(directory / "store", people)
    except OSError as error:
        raise Failure(f"{directory / 'store' / accounts.FILE} cannot be written: {error.strerror}") from error


def _checked(user: str) -> str:
    if not _USER.fullmatch(user) or user in _RESERVED:
        raise Failure(f"{user!r} cannot be a user: letters, digits, and . _ @ - between; not default or nameward")
    return user


def _password(file: Path | None) -> str:
    if file is None:
        return secrets.token_urlsafe(18)
    try:
        password = file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {error}") from error
    if len(password) < _SHORTEST:
        raise Failure(f"{file}: a password of at least {_SHORTEST} characters is expected on the first line")
    return password
