"""Which statements an analyst may put to the embedded store: judged on the engine's own reading of them.

The engine's row filters and grants keep rows apart (access.py); this wall in front keeps analysts from what has
neither: system tables, table functions, files, dictionaries, what shows the shape of other tenants' data. Pure: the
text of ``EXPLAIN AST`` in, a refusal out. What it does not know it refuses.
"""

from __future__ import annotations

import re

from streams.warehouse import RefusedError
from streams.warehouse.access import tenant_tables, tenant_views
from streams.warehouse.statements import Statement

_NODE = re.compile(r"( *)([\w:]+)(?: (.*?))??(?: \(alias .*\))?(?: \(children \d+\))?")

_NODES = frozenset(
    {
        "SelectWithUnionQuery",
        "SelectIntersectExceptQuery",
        "SelectQuery",
        "ExpressionList",
        "Literal",
        "Identifier",
        "TableIdentifier",
        "Function",
        "Asterisk",
        "QualifiedAsterisk",
        "ColumnsRegexpMatcher",
        "ColumnsListMatcher",
        "QualifiedColumnsRegexpMatcher",
        "QualifiedColumnsListMatcher",
        "ColumnsTransformerList",
        "ColumnsExceptTransformer",
        "ColumnsReplaceTransformer",
        "ColumnsReplaceTransformer::Replacement",
        "Subquery",
        "WithElement",
        "TablesInSelectQuery",
        "TablesInSelectQueryElement",
        "TableExpression",
        "TableJoin",
        "ArrayJoin",
        "OrderByElement",
        "WindowDefinition",
        "WindowListElement",
        "InterpolateElement",
        "SampleRatio",
        "DescribeQuery",
    }
)
_TABLE_FUNCTIONS = frozenset({"numbers", "numbers_mt", "zeros", "values", "generate_series", "generateseries"})
_SYSTEM = frozenset({"system.one", "system.numbers", "system.settings", "system.functions", "system.formats"})
_DATABASES = ("system", "information_schema", "default")

# Functions that read beside the row filters, or tell of the host, of other queries, of how columns lie in memory.
_FUNCTIONS = re.compile(
    r"file|url|remote\w*|dict\w*|joinget\w*|hascolumnintable|catboost\w*|evalml\w*|naivebayes\w*|ai[a-z_]*|filesystem\w*"
    r"|lowcardinality\w*|dumpcolumnstructure|blocksize|blockserializedsize|estimatecompressionratio|mergetree\w*|partitionid"
    r"|getserver\w*|getmergetree\w*|getmacro|getosk\w*|hostname|fqdn|displayname|serveruuid|buildid|uptime|tcpport|zookeeper\w*"
    r"|transaction\w*|connection_?id|current_?query_?id|initial_?query\w*|query_?id|show\w*|addressto\w*|demangle|trap|sleep\w*"
    r"|reload\w*|executable|generateserialid|structureto\w*|viewexplain|\w*ignoreset"
)
_HIDDEN = re.compile(
    r"(?:.*\.)?_(?:part|partition|block|sample|row_exists|disk|data_version|table|database|shard|distance|path|file)\w*",
    re.DOTALL,
)
_SHOW = re.compile(
    rb"\s*(?:SHOW\s+TABLES(?:\s+(?:FROM|IN)\s+nameward)?|EXISTS\s+(?:TABLE\s+|VIEW\s+)?(?:nameward\.)?\w+"
    rb"|SHOW\s+CREATE\s+(?:TABLE\s+|VIEW\s+)?(?:nameward\.)?\w+)[\s;]*",
    re.IGNORECASE,
)


def admit(statement: Statement) -> bool:
    """Whether a statement is still to be judged (`judge`); False for one that is harmless as it is.

    Raises:
        RefusedError: for what is no query.
    """
    if statement.tail.strip():
        raise _refused("SETTINGS cannot be given by analysts")
    if _SHOW.fullmatch(statement.head):
        return False
    if statement.verb not in {"SELECT", "WITH", "FROM", "(", "DESC", "DESCRIBE"}:
        raise _refused(f"analysts may SELECT, DESCRIBE, SHOW TABLES and SHOW CREATE, not {statement.verb[:20]}")
    return True


def judge(tree: str) -> None:
    """Read the text of EXPLAIN AST of an analyst's query.

    Raises:
        RefusedError: naming what the analyst may not use.
    """
    expects_table, seen = -1, 0
    for line in tree.splitlines():
        node = _NODE.fullmatch(line)
        kind, depth = (node[2], len(node[1])) if node else ("", 0)
        if node is None or kind not in _NODES:
            raise _refused(f"{(kind or line.strip())[:60]!r} is not for analysts")
        seen += 1
        name = node[3] or ""
        expects_table = expects_table if depth >= expects_table else -1
        if kind == "TableExpression":
            expects_table = depth + 1
        elif kind == "Function":
            _judge_function(name, is_table=depth == expects_table)
        elif kind in {"Identifier", "TableIdentifier"}:
            _judge_name(name, is_table=kind == "TableIdentifier")
    if not seen:
        raise _refused("no query")


def _judge_function(name: str, *, is_table: bool) -> None:
    lower = name.lower()
    if is_table and lower not in _TABLE_FUNCTIONS:
        raise _refused(f"table function {name[:60]} is not for analysts")
    if not is_table and _FUNCTIONS.fullmatch(lower):
        raise _refused(f"function {name[:60]} is not for analysts")


def _judge_name(name: str, *, is_table: bool) -> None:
    lower = name.lower()
    database = lower.partition(".")[0]
    if lower not in _SYSTEM and database in _DATABASES and (is_table or "." in lower):
        raise _refused(f"{name[:60]} is not for analysts")
    if is_table and database == "nameward" and name.partition(".")[2] not in (*tenant_tables(), *tenant_views()):
        raise _refused(f"{name[:60]} is not for analysts")
    if _HIDDEN.fullmatch(lower):
        raise _refused(f"column {name[:60]} is not for analysts")


def _refused(why: str) -> RefusedError:
    return RefusedError(f"Code: 497. DB::Exception: Not enough privileges: {why}. (ACCESS_DENIED)", 497)
