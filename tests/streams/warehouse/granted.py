"""The statements of a grant put in force on a current ClickHouse engine, without a server: chDB as the granted user.

chDB has no store for SQL users (code 514) and its only user is ``default``. So each statement is read whole, what it says
is written to a users file in which ``default`` is the analyst, and a process of its own opens the store with that file:
the engine then enforces grants, row policies, profile and quota as a server does. What no statement said is not there.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from chdb import ChdbError
from chdb.state.sqlitelike import Connection

_QUOTA = r"CREATE QUOTA IF NOT EXISTS `(.+)` KEYED BY user_name FOR INTERVAL 1 hour MAX queries = (\d+), execution_time = (\d+) TO `(.+)`"


@dataclass
class Access:
    """What statements have made so far, by name."""

    profiles: dict[str, dict[str, str]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    quotas: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    policies: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    grants: list[tuple[str, str]] = field(default_factory=list)
    users: dict[str, tuple[str, str]] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)

    def run(self, statements: Sequence[str]) -> None:
        """Do what each says; one that is not understood whole is an error."""
        for sql in statements:
            verb = next((verb for verb in _VERBS if re.fullmatch(verb, sql)), None)
            assert verb, sql
            found = re.fullmatch(verb, sql)
            assert found
            _VERBS[verb](self, *found.groups())

    def users_file(self, user: str) -> str:
        """XML in which ``default`` may do and see what the user may."""
        roles = sorted(role for role, member in self.members if member == user and role in self.roles)
        profiles = {self.roles[role] for role in roles}
        grants = "".join(f"<query>GRANT {what}</query>" for what, role in self.grants if role in roles)
        filters = "".join(f"<{table}><filter>{escape(using)}</filter></{table}>"
                          for (_, table), (using, role) in sorted(self.policies.items()) if role in roles)
        settings = "".join(f"<{name}>{value}</{name}>" for profile in profiles for name, value in self.profiles[profile].items())
        limits = "".join(f"<interval><duration>3600</duration><queries>{queries}</queries><execution_time>{seconds}</execution_time></interval>"
                         for queries, seconds, role in self.quotas.values() if role in roles)
        return (f"<clickhouse><profiles><default/><of_role>{settings}</of_role></profiles><quotas><of_role>{limits}</of_role></quotas>"
                f"<roles><of_tenant><grants>{grants}</grants></of_tenant></roles><users><default><password/><networks><ip>::/0</ip></networks>"
                f"<profile>of_role</profile><quota>of_role</quota><databases><nameward>{filters}</nameward></databases>"
                "<grants><query>GRANT of_tenant</query></grants></default></users></clickhouse>")

    def _user(self, name: str, digest: str, salt: str) -> None:
        self.users[name] = (digest, salt)
        self.members = {(role, member) for role, member in self.members if member != name}

    def _member(self, role: str, user: str) -> None:
        assert role in self.roles
        assert user in self.users
        self.members.add((role, user))

    def _default_role(self, user: str, role: str) -> None:
        assert (role, user) in self.members

    def _profile(self, name: str, settings: str) -> None:
        pairs = (item.split(" = ") for item in settings.split(", "))
        self.profiles.setdefault(name, {setting: value.strip("'") for setting, value in pairs})


_VERBS = {
    r"CREATE SETTINGS PROFILE IF NOT EXISTS `(.+)` SETTINGS (.+)": Access._profile,
    r"CREATE ROLE IF NOT EXISTS `(.+)` SETTINGS PROFILE '(.+)'": lambda access, role, profile: access.roles.setdefault(role, profile),
    _QUOTA: lambda access, name, queries, seconds, role: access.quotas.setdefault(name, (queries, seconds, role)),
    r"CREATE ROW POLICY OR REPLACE `(.+)` ON nameward\.`(\w+)` USING (.+) TO `(.+)`":
        lambda access, name, table, using, role: access.policies.update({(name, table): (using, role)}),
    r"GRANT (SELECT ON nameward\.`\w+`) TO `(.+)`": lambda access, what, role: access.grants.append((what, role)),
    r"CREATE USER OR REPLACE `(.+)` IDENTIFIED WITH sha256_hash BY '(\w+)' SALT '(\w+)'": Access._user,
    r"GRANT `(.+)` TO `(.+)`": Access._member,
    r"ALTER USER `(.+)` DEFAULT ROLE `(.+)`": Access._default_role,
    r"REVOKE `(.+)` FROM `(.+)`": lambda access, role, user: access.members.discard((role, user)),
    r"DROP ROW POLICY IF EXISTS `(.+)` ON nameward\.`(\w+)`": lambda access, name, table: access.policies.pop((name, table), None),
    r"DROP QUOTA IF EXISTS `(.+)`": lambda access, name: access.quotas.pop(name, None),
    r"DROP ROLE IF EXISTS `(.+)`": lambda access, role: access.roles.pop(role, None),
}


class Manager(Access):
    """Who may make everything, with names for it to refer to; there is no store to write it to."""

    def users_file(self, user: str) -> str:
        """XML with a profile, the roles and the user that statements speak of."""
        return ("<clickhouse><profiles><default/>" + "".join(f"<{name}/>" for name in sorted(self.profiles)) + "</profiles><quotas><default/></quotas>"
                "<roles>" + "".join(f"<{name}><grants><query>GRANT SHOW DATABASES ON *.*</query></grants></{name}>" for name in sorted(self.roles)) + "</roles>"
                f"<users><{user}><password>x</password></{user}><default><password/><networks><ip>::/0</ip></networks><profile>default</profile>"
                "<quota>default</quota><access_management>1</access_management></default></users></clickhouse>")


class Session:
    """A process in which the user's queries run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, sql: str, times: int = 1) -> tuple[bool, str]:
        """Whether the engine took the query, and what it said; asked so often, or until it is refused."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([sql, times]) + "\n")
        self._process.stdin.flush()
        taken, told = json.loads(self._process.stdout.readline())
        return bool(taken), str(told)


@contextlib.contextmanager
def session(store: Path, access: Access, user: str, place: Path) -> Iterator[Session]:
    """A copy of the store at a path, opened as this user for the time of a with block."""
    place.mkdir()
    shutil.copytree(store, place / "chdb", symlinks=True)
    (place / "users.xml").write_text(access.users_file(user))
    (place / "config.xml").write_text(f"<clickhouse><timezone>UTC</timezone><users_config>{place / 'users.xml'}</users_config></clickhouse>")
    process = subprocess.Popen([sys.executable, __file__, f"{place / 'chdb'}?config-file={place / 'config.xml'}"],
                               cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield Session(process)
        finally:
            process.terminate()


def _serve(place: str) -> None:
    """Answer queries of standard input, a line each, each on a connection of its own."""
    anchor = Connection(place)
    for line in sys.stdin:
        sql, times = json.loads(line)
        connection = Connection(place)
        try:
            for _ in range(times):
                told = connection.query(sql, "TSV").bytes().decode(errors="replace")
            answer = (True, told)
        except (RuntimeError, ValueError, ChdbError) as error:
            answer = (False, str(error))
        finally:
            connection.close()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    anchor.close()


if __name__ == "__main__":
    _serve(sys.argv[1])
