"""Just enough of ClickHouse's grammar for HTTP: where a statement's FORMAT stands and where inline data begins.

Pure: bytes in, a Statement out. It does not validate SQL; the engine does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
       | (?P<text>'(?:[^'\\]|\\.|'')*' | `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
       | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
       | (?P<other>\d[\w.]*|.)""",
    re.VERBOSE | re.DOTALL,
)
_DATA_START = re.compile(rb"[ \t\f]*\r?\n?")

# Statements whose result the engine can write to a file (ParserQueryWithOutput) and that do have one.
_READING = frozenset({"SELECT", "WITH", "FROM", "(", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "EXISTS", "CHECK"})


class StatementError(ValueError):
    """A statement the HTTP interface does not take, worded as ClickHouse does."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Attributes:
        verb: first word, upper case (or a parenthesis).
        head: the statement without FORMAT clause and inline data.
        tail: what follows the FORMAT clause (SETTINGS), without the data.
        format: name given in the FORMAT clause (``Values`` for VALUES); empty when there is none.
        data: inline data of an INSERT, None when the statement takes none.
    """

    verb: str
    head: bytes
    tail: bytes
    format: str
    data: bytes | None

    @property
    def reads(self) -> bool:
        """Whether the statement answers with a result set."""
        return self.verb in _READING


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: bytes
    start: int
    end: int

    @property
    def upper(self) -> str:
        return self.text.decode("latin-1").upper() if self.kind != "text" else ""


def _tokens(sql: bytes) -> Iterator[_Token]:
    """Tokens outside parentheses and brackets, comments left out; the brackets themselves are tokens."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or ""
        if kind == "tag":
            kind = "text"
        text = match.group()
        if kind == "skip":
            continue
        if text in {b")", b"]", b"}"}:
            depth -= 1
        if depth <= 0:
            yield _Token(kind, text, match.start(), match.end())
        if text in {b"(", b"[", b"{"}:
            depth += 1


def parse(sql: bytes) -> Statement:
    """Take a statement apart.

    Raises:
        StatementError: on an empty statement, several statements, or files of the server's host.
    """
    stream = _tokens(sql)
    first = next(stream, None)
    if first is None:
        raise StatementError("Code: 62. DB::Exception: Syntax error: empty query. (SYNTAX_ERROR)")
    if first.upper == "INSERT":
        return _parse_insert(sql, stream)
    return _parse_other(sql, first, stream)


def _parse_insert(sql: bytes, stream: Iterator[_Token]) -> Statement:
    previous = ""
    for token in stream:
        word = token.upper
        _refuse_files(previous, word)
        if previous == "FORMAT" and token.kind == "word":
            head = sql[: _before(sql, token.start, b"FORMAT")]
            return _with_data(sql, head, token.text.decode(), token.end)
        if word == "VALUES":
            return _with_data(sql, sql[: token.start], "Values", token.end)
        if word in {"SELECT", "WITH"}:
            break
        previous = word
    return Statement("INSERT", sql.rstrip(b" \t\r\n;"), b"", "", None)


def _before(sql: bytes, end: int, word: bytes) -> int:
    return sql[:end].upper().rindex(word)


def _with_data(sql: bytes, head: bytes, name: str, end: int) -> Statement:
    if sql[end : end + 1] == b";":
        end += 1
    start = _DATA_START.match(sql, end)
    return Statement("INSERT", head, b"", name, sql[start.end() if start else end :])


def _parse_other(sql: bytes, first: _Token, stream: Iterator[_Token]) -> Statement:
    tokens = [first, *stream]
    while len(tokens) > 1 and tokens[-1].text == b";":
        tokens.pop()
    for index, token in enumerate(tokens):
        if token.text == b";":
            raise StatementError(
                "Code: 62. DB::Exception: Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)"
            )
        _refuse_files(tokens[index - 1].upper if index else "", token.upper)
    end = tokens[-1].end
    verb = first.upper
    for index in range(len(tokens) - 2, 0, -1):
        follows = tokens[index + 2].upper if index + 2 < len(tokens) else "SETTINGS"
        if tokens[index].upper == "FORMAT" and tokens[index + 1].kind == "word" and follows == "SETTINGS":
            name = tokens[index + 1]
            return Statement(verb, sql[: tokens[index].start], sql[name.end : end], name.text.decode(), None)
    return Statement(verb, sql[:end], b"", "", None)


def _refuse_files(previous: str, word: str) -> None:
    if (previous, word) in {("INTO", "OUTFILE"), ("FROM", "INFILE")}:
        raise StatementError(
            f"Code: 1. DB::Exception: {previous} {word} is not allowed over HTTP. (UNSUPPORTED_METHOD)"
        )


def quoted(value: str) -> str:
    """A SQL string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def from_file(insert: str, path: str, name: str) -> str:
    """An INSERT whose data, in a format, stands in a file; SETTINGS of the statement come after the file."""
    sql, cut = insert.encode("utf-8", "surrogateescape"), None
    for token in _tokens(sql):
        cut = token.start if token.upper == "SETTINGS" else cut
    head, settings = (sql, b"") if cut is None else (sql[:cut], sql[cut:])
    parts = (head.decode("utf-8", "surrogateescape"), settings.decode("utf-8", "surrogateescape"))
    return f"{parts[0]}\nFROM INFILE {quoted(path)} COMPRESSION 'none' {parts[1]}\nFORMAT {name}"


def tsv_parameters(parameters: Mapping[str, str | int | float] | None) -> dict[str, str]:
    """Query parameters as the engine reads them: text in TabSeparated escaping."""
    table = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})
    return {name: str(value).translate(table) for name, value in (parameters or {}).items()}
