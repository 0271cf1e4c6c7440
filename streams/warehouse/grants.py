"""Analysts of a ClickHouse server: role, row policies, quota, settings profile and user of one tenant, as SQL.

Pure: statements out, in order; each may be repeated. The embedded store has accounts instead (accounts.py).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from streams.warehouse.access import identifier, tenant_tables, tenant_views
from streams.warehouse.statements import quoted

PROFILE = "nameward_analyst"
_PREFIX = "nameward_tenant_"
_SETTINGS = (
    "readonly = 1, max_execution_time = 60, max_memory_usage = 4000000000, max_result_bytes = 2000000000,"
    " result_overflow_mode = 'throw'"
)
_QUOTA = "KEYED BY user_name FOR INTERVAL 1 hour MAX queries = 10000, execution_time = 3600"


@dataclass(frozen=True, slots=True)
class Grant:
    """An analyst of a tenant; without a password the user exists already."""

    tenant: str
    user: str
    password: str = ""


def role_of(tenant: str) -> str:
    """The role whose members read this tenant."""
    return _PREFIX + tenant


def grant_statements(grant: Grant) -> list[str]:
    """What makes the analyst. Passwords go as salted SHA-256, so that no log of the server has them."""
    role, user, policy = identifier(role_of(grant.tenant)), identifier(grant.user), identifier(role_of(grant.tenant))
    statements = [
        f"CREATE SETTINGS PROFILE IF NOT EXISTS {identifier(PROFILE)} SETTINGS {_SETTINGS}",
        f"CREATE ROLE IF NOT EXISTS {role} SETTINGS PROFILE {quoted(PROFILE)}",
        f"CREATE QUOTA IF NOT EXISTS {role} {_QUOTA} TO {role}",
    ]
    statements += [
        f"CREATE ROW POLICY OR REPLACE {policy} ON nameward.{identifier(table)}"
        f" USING tenant = {quoted(grant.tenant)} TO {role}"
        for table in tenant_tables()
    ]
    statements += [
        f"GRANT SELECT ON nameward.{identifier(name)} TO {role}" for name in (*tenant_tables(), *tenant_views())
    ]
    if grant.password:
        salt = secrets.token_hex(16).upper()
        digest = hashlib.sha256((grant.password + salt).encode()).hexdigest().upper()
        statements.append(
            f"CREATE USER OR REPLACE {user} IDENTIFIED WITH sha256_hash BY {quoted(digest)} SALT {quoted(salt)}"
        )
    statements += [f"GRANT {role} TO {user}", f"ALTER USER {user} DEFAULT ROLE {role}"]
    return statements


def revoke_statements(tenant: str, user: str = "") -> list[str]:
    """What ends an analyst's access, or that of all of a tenant with the role itself."""
    role = identifier(role_of(tenant))
    if user:
        return [f"REVOKE {role} FROM {identifier(user)}"]
    dropped = [f"DROP ROW POLICY IF EXISTS {role} ON nameward.{identifier(table)}" for table in tenant_tables()]
    return [f"DROP QUOTA IF EXISTS {role}", f"DROP ROLE IF EXISTS {role}", *dropped]


MEMBERS = (
    "SELECT user_name, granted_role_name FROM system.role_grants"  # noqa: S608 - constants and quoted values
    f" WHERE startsWith(granted_role_name, '{_PREFIX}') AND user_name IS NOT NULL ORDER BY granted_role_name, user_name"
)
"""Rows of (user, role)."""


def tenant_of(role: str) -> str:
    """The tenant a role stands for."""
    return role.removeprefix(_PREFIX)
