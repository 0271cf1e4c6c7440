"""What an analyst of one tenant may see: which tables and views, and which of their rows.

Pure: text made from the numbered DDL. ``server_grants`` says it to a ClickHouse server in SQL, ``engine_config`` to the
embedded engine in XML. Must not know how either is reached.
"""

from __future__ import annotations

import re
from functools import cache
from xml.sax.saxutils import escape

from streams.warehouse.migrations import migrations

_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS nameward\.(\w+)")
_VIEW = re.compile(r"CREATE OR REPLACE VIEW nameward\.(\w+)")
_OF_TENANT = re.compile(r"^ *`tenant`", re.MULTILINE)

ANALYST = "nameward analyst of "
"""What the setting log_comment of an analyst's connection begins with; the tenant follows, and `readonly` locks it."""

_FILTER = (
    f"NOT startsWith(getSetting('log_comment'), '{ANALYST}')"
    f" OR tenant = substring(getSetting('log_comment'), {len(ANALYST) + 1})"
)


@cache
def tenant_tables() -> tuple[str, ...]:
    """Tables whose rows belong to tenants; what is in none of them (and in no view of them) no analyst sees."""
    return tuple(
        found[1] for sql in _statements() if (found := _TABLE.match(_bare(sql))) and _OF_TENANT.search(_bare(sql))
    )


@cache
def tenant_views() -> tuple[str, ...]:
    """Views; they run with the rights of who asks, so one of other tables is refused by the engine."""
    found = (_VIEW.match(_bare(sql)) for sql in _statements())
    return tuple(dict.fromkeys(match[1] for match in found if match and match[1] != "ledger"))


def engine_config() -> tuple[str, str]:
    """The embedded engine's roles, and its user's row filters, as XML of its users file.

    There is one user; a connection becomes an analyst's by ``SET ROLE analyst`` and the setting log_comment, locked.
    A row filter is applied before anything of the query sees a row, which additional_table_filters are not: a failing
    expression would tell what was filtered.
    """
    grants = "".join(f"<query>GRANT SELECT ON nameward.{name}</query>" for name in (*tenant_tables(), *tenant_views()))
    filters = "".join(f"<{name}><filter>{escape(_FILTER)}</filter></{name}>" for name in tenant_tables())
    return f"<analyst><grants>{grants}</grants></analyst>", f"<nameward>{filters}</nameward>"


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _statements() -> list[str]:
    return [sql for migration in migrations() for sql in migration.statements]


def _bare(sql: str) -> str:
    """A statement without the comments before it."""
    return re.sub(r"\A(?:\s*--[^\n]*\n)+", "", sql)
