"""What the notebooks share: the connection, the tenant and time they look at, tables and plots that look alike.

NAMEWARD_CLICKHOUSE_URL names the embedded store's HTTP interface or a ClickHouse server (http or https, with user and
password where it wants them), NAMEWARD_TENANT the tenant. It knows no question: those are SQL in the notebooks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from IPython.display import Markdown, display
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

URL = "http://127.0.0.1:8123"
BLUE, SKY, GREEN, PURPLE, ORANGE, RED, GREY = (
    "#0072B2",
    "#56B4E9",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#D55E00",
    "#9A9A9A",
)
"""Told apart by colour-blind people too (Okabe and Ito, 2008)."""
SEVERITIES = {"info": GREY, "low": SKY, "medium": ORANGE, "high": RED, "critical": "#7A1F00"}
"""Severity -> its colour, the worst last."""
_ACCESS_DENIED = "ACCESS_DENIED"
_TICKS = ["%Y", "%b %Y", "%a %d %b", "%H:%M", "%H:%M", "%H:%M:%S"]

plt.rcParams.update(
    {
        "figure.figsize": (10, 3.4),
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.axisbelow": True,
        "grid.color": "#E4E4E4",
        "legend.frameon": False,
        "font.size": 10,
        "timezone": "UTC",
    }
)


@dataclass(frozen=True)
class Look:
    """One tenant and a span of time, and the way to ask about them."""

    client: Client
    tenant: str
    start: datetime
    end: datetime

    def ask(self, sql: str, **parameters: object) -> pd.DataFrame:
        """Rows of a query.

        Its parameters are tenant, start and end of this look, and those given: values, never a part of the text.
        """
        values = {"tenant": self.tenant, "start": self.start, "end": self.end, **parameters}
        try:
            return _in_utc(self.client.query_df(sql, parameters=values))
        except ClickHouseError as error:
            if _ACCESS_DENIED not in str(error):
                raise
            refused = pd.DataFrame()
            refused.attrs["why"] = "This account may not read what the question needs."
            return refused

    def around(self, first: datetime, last: datetime, margin: timedelta) -> Look:
        """The same tenant from a while before one moment to a while after another."""
        return Look(self.client, self.tenant, first - margin, last + margin)

    def _repr_markdown_(self) -> str:
        return f"Tenant **{self.tenant}**, {self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def look(hours: float = 24) -> Look:
    """The tenant that the environment names, or the one with the most queries, over the last hours that have any.

    Raises:
        ConnectionError: nobody answers at the URL, or not to this user.
        LookupError: there are no queries to look at.
    """
    client = _connect(os.environ.get("NAMEWARD_CLICKHOUSE_URL") or URL)
    known = client.query_df(
        "SELECT tenant, min(time) AS first, max(time) AS last FROM nameward.traffic_1m"
        " WHERE tenant != '' GROUP BY tenant ORDER BY sum(queries) DESC"
    )
    if known.empty:
        raise LookupError("no queries are stored yet: ask the resolver something, or run `nameward demo traffic`")
    tenant = os.environ.get("NAMEWARD_TENANT") or known["tenant"].iloc[0]
    spans = _in_utc(known).set_index("tenant")
    if tenant not in spans.index:
        raise LookupError(f"tenant {tenant!r} has no queries; those that have: {', '.join(spans.index)}")
    end = spans["last"][tenant].to_pydatetime() + timedelta(minutes=1)
    return Look(client, tenant, max(spans["first"][tenant].to_pydatetime(), end - timedelta(hours=hours)), end)


def _connect(url: str) -> Client:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConnectionError("NAMEWARD_CLICKHOUSE_URL: expected http://host:8123 or https://user:password@host:8443")
    port = parts.port or (8443 if parts.scheme == "https" else 8123)
    where = f"{parts.scheme}://{parts.hostname}:{port}"
    try:
        return clickhouse_connect.get_client(
            host=parts.hostname,
            port=port,
            secure=parts.scheme == "https",
            username=unquote(parts.username or "") or None,
            password=unquote(parts.password or ""),
            autogenerate_session_id=False,
        )
    except OperationalError as error:
        raise ConnectionError(f"no ClickHouse answers at {where}; is the stack up (`make up`)?") from error
    except ClickHouseError as error:
        raise ConnectionError(f"{where} refuses: {error}") from error


def _in_utc(frame: pd.DataFrame) -> pd.DataFrame:
    for name, column in frame.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            frame[name] = column.dt.tz_convert(UTC)
        elif pd.api.types.is_datetime64_any_dtype(column):
            frame[name] = column.dt.tz_localize(UTC)
    return frame


def say(sentence: str) -> None:
    """A sentence between tables and plots."""
    display(Markdown(f"_{sentence}_"))


def found(frame: pd.DataFrame, otherwise: str) -> bool:
    """Whether there are rows; where there are none it says so, instead of an empty plot."""
    if frame.empty:
        say(frame.attrs.get("why", otherwise))
    return not frame.empty


def table(frame: pd.DataFrame, otherwise: str) -> None:
    """Rows for people: no index, times to the second, separators in numbers; or the sentence, where there are none."""
    if not found(frame, otherwise):
        return
    shown = frame.copy()
    for name in shown.select_dtypes(["datetimetz"]):
        shown[name] = shown[name].dt.strftime("%m-%d %H:%M:%S").fillna("")
    shown.columns = [name.replace("_", " ") for name in shown.columns]
    styled = shown.style.hide(axis="index").format(precision=1, thousands=",", na_rep="")
    display(styled.set_properties(**{"text-align": "left"}))


def timeline(title: str, unit: str, *, height: float = 3.4) -> Axes:
    """An empty plot over time (UTC); unit says what is counted."""
    _, axis = plt.subplots(figsize=(10, height))
    locator = mdates.AutoDateLocator(tz=UTC, minticks=3, maxticks=9)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, UTC, _TICKS, _TICKS, show_offset=False))
    axis.set(title=title, ylabel=unit, xlabel="time (UTC)")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.grid(axis="y")
    return axis


def ranking(names: Sequence[str], values: Sequence[float], title: str, unit: str, *, colour: str = BLUE) -> Axes:
    """Bars from the largest down, each with its number: for a dozen names at most a look tells the order."""
    _, axis = plt.subplots(figsize=(10, 0.9 + 0.27 * len(names)))
    drawn = axis.barh([shorten(name) for name in names], list(values), color=colour, height=0.7)
    axis.bar_label(drawn, labels=[f" {value:,.10g}" for value in values], fontsize=9)
    axis.set(title=title, xlabel=unit, ylim=(len(names) - 0.4, -0.6))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.tick_params(axis="y", length=0)
    axis.margins(x=0.1)
    return axis


def legend(axis: Axes) -> None:
    """Beside the plot, where it hides nothing."""
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def shorten(name: str, most: int = 38) -> str:
    """A name that fits beside a plot; its end tells whose it is."""
    return name if len(name) <= most else f"…{name[1 - most :]}"
