"""What a request to the HTTP interface asks for: query, format, settings, parameters, compression, who asks.

Pure but for reading headers; the words are those of ClickHouse's HTTP interface.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

OPERATORS = frozenset({"", "default", "nameward"})
"""Names of the user without a password, who may do everything and must be on this machine."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ENCODINGS = ("zstd", "lz4", "br", "gzip", "deflate")

# Parameters of the interface itself; every other one is a setting of the query.
_OWN = frozenset(
    {
        "query",
        "database",
        "default_format",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "user",
        "password",
        "quota_key",
        "compress",
        "decompress",
        "enable_http_compression",
        "client_protocol_version",
        "wait_end_of_query",
        "buffer_size",
        "role",
        "add_http_cors_header",
        "http_zlib_compression_level",
        "http_write_exception_in_output_format",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "http_response_buffer_size",
    }
)
_NATIVE_REVISION = 54405
_FORMAT = re.compile(r"\w{1,64}")

# HTTP status of ClickHouse's error codes (exceptionCodeToHTTPStatus); the rest are 500.
_STATUS = {
    194: 401,
    192: 403,
    193: 403,
    516: 403,
    229: 413,
    48: 501,
    209: 503,
    76: 503,
    439: 503,
    341: 503,
    159: 408,
    **dict.fromkeys((6, 26, 27, 38, 41, 43, 44, 53, 62, 63, 69, 70, 72, 117, 131, 386, 427, 456, 457, 636), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 73, 81, 82, 115, 152, 330, 511), 404),
}


READONLY = 164
GET_IS_READONLY = (
    "Code: 164. DB::Exception: default: Cannot execute query in readonly mode. For queries over HTTP, method GET"
    " implies readonly. You should use method POST for modifying queries. (READONLY)"
)


class RequestError(Exception):
    """A request that is turned away before any statement runs."""

    def __init__(self, message: str, code: int, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, read.

    Attributes:
        query: SQL from the URL; the body continues it.
        database: default database of the statement.
        default_format: output format where the statement names none.
        encoding: compression of the answer, empty for none.
        readonly: GET and HEAD may only read.
        settings: of the query. parameters: values of ``{name:Type}``.
        session: id, empty for none; it ends after session_seconds without use.
        tenant: of an analyst, who sees nothing else; empty for the operator.
    """

    query: bytes
    database: str
    default_format: str
    encoding: str
    query_id: str
    readonly: bool
    settings: dict[str, str]
    parameters: dict[str, str]
    session: str
    session_seconds: int
    tenant: str = ""


def read_ask(request: web.Request) -> Ask:
    """Read a request.

    Raises:
        RequestError: a browser page of somewhere else, a parameter that makes no sense here.
    """
    query, headers = request.query, request.headers
    _check_origin(headers.get("Origin", ""))
    if query.get("compress", "0") not in {"0", ""} or query.get("decompress", "0") not in {"0", ""}:
        raise RequestError(
            "Code: 48. DB::Exception: compress=1 and decompress=1 (native blocks) are not served here: ask with"
            " Accept-Encoding or Content-Encoding lz4, zstd or gzip. (NOT_IMPLEMENTED)",
            48,
        )
    name = query.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    if not _FORMAT.fullmatch(name):
        raise RequestError(f"Code: 73. DB::Exception: Unknown format {name}. (UNKNOWN_FORMAT)", 73)
    _check_protocol(query.get("client_protocol_version", "0"), name)
    seconds = query.get("session_timeout", "60")
    text = query.get("query", "")
    return Ask(
        query=(text + "\n").encode() if text else b"",
        database=query.get("database") or headers.get("X-ClickHouse-Database") or "nameward",
        default_format=name,
        encoding=_encoding(request),
        query_id=query.get("query_id") or str(uuid.uuid4()),
        readonly=request.method != "POST",
        settings={key: value for key, value in query.items() if key not in _OWN and not key.startswith("param_")},
        parameters={key[6:]: value for key, value in query.items() if key.startswith("param_")},
        session=query.get("session_id", ""),
        session_seconds=min(int(seconds), 3600) if seconds.isdigit() else 60,
    )


def status_of(code: int) -> int:
    """HTTP status for an error code."""
    return _STATUS.get(code, 500)


def error_text(message: str, version: str) -> str:
    """An error as ClickHouse words it over HTTP."""
    text = message if message.startswith("Code: ") else f"Code: 1002. DB::Exception: {message} (UNKNOWN_EXCEPTION)"
    return text.rstrip() + ("\n" if "(version " in text[-40:] else f" (version {version})\n")


def _encoding(request: web.Request) -> str:
    if request.query.get("enable_http_compression", "0") != "1":
        return ""
    offered = {part.partition(";")[0].strip().lower() for part in request.headers.get("Accept-Encoding", "").split(",")}
    return next((name for name in _ENCODINGS if name in offered), "")


def _check_protocol(version: str, name: str) -> None:
    # Newer clients ask for blocks of their own revision, with headers the engine does not write: say so, not garbage.
    if name == "Native" and version.isdigit() and int(version) > _NATIVE_REVISION:
        raise RequestError(
            f"Code: 48. DB::Exception: Native blocks of protocol version {version} are not served here: ask for another"
            f" format, or for version {_NATIVE_REVISION} at most. (NOT_IMPLEMENTED)",
            48,
        )


def credentials(request: web.Request) -> tuple[str, str]:
    """User and password: HTTP basic authentication, ClickHouse's own headers, or parameters.

    Raises:
        RequestError: on an Authorization header that is none.
    """
    user = request.headers.get("X-ClickHouse-User") or request.query.get("user", "")
    password = request.headers.get("X-ClickHouse-Key") or request.query.get("password", "")
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise RequestError(
                "Code: 194. DB::Exception: Invalid HTTP Basic credentials. (REQUIRED_PASSWORD)", 194
            ) from None
    return user, password


def of_this_machine(remote: str) -> bool:
    """Whether a peer is on this machine; an IPv6 socket sees IPv4 addresses as RFC 4291 section 2.5.5.2 maps them."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def stranger(user: str) -> RequestError:
    """Of an unknown user or a wrong password; which of them is not told."""
    return RequestError(
        f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user"
        " with such name. (AUTHENTICATION_FAILED)",
        516,
    )


def _check_origin(origin: str) -> None:
    # A page of the wide web in the operator's browser can reach loopback; it must not run SQL here.
    if origin and urlsplit(origin).hostname not in _LOOPBACK:
        raise RequestError(
            "Code: 497. DB::Exception: requests of other web origins are refused. (ACCESS_DENIED)", 497, 403
        )
