"""A stage's shown responses and distributions as files for people, which grow while it works and are sent whole, now and then.

Whole, so that sending one twice does no harm; now and then, since each time takes longer than the time before.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import orjson

RESPONSES = "responses.json"
LONGEST = 2000
"""Characters of a text; the local files have all of it."""
EVERY = 30.0
"""Seconds between sendings at first; later a twentieth of the stage's time, so that all of them together stay cheap."""
SHADES = 9
STYLE = "".join(f".s{i} {{ background: rgba(0, 114, 178, {i / SHADES:.2f}) }} " for i in range(1, SHADES + 1))
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>
body {{ font: 13px sans-serif; margin: 12px }} table {{ border-collapse: collapse }}
th, td {{ padding: 2px 8px; text-align: right; font-weight: normal }} th {{ color: #555 }} .s6, .s7, .s8, .s9 {{ color: #fff }}
{style}</style></head><body><p>{name}: counts of each step, the newest first; the darkest of a row is its largest.</p>
<table>
{rows}
</table></body></html>
"""


class Tables:
    """Grows in the thread that follows a stage, is read in the one that sends: `responses.json` and `<histogram>.html`."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._sent: dict[str, int] = {}
        self._started = time.monotonic()
        self._due = self._started + EVERY

    @property
    def files(self) -> list[str]:
        """Names of the files so far."""
        return list(self._rows)

    def add(self, event: Mapping[str, Any]) -> None:
        """A local event; those of other kinds are passed over."""
        if event["kind"] == "samples":
            rows = [{"step": event["step"]} | {k: _cut(v) for k, v in row.items()} for row in event["rows"]]
            self._rows.setdefault(RESPONSES, []).extend(rows)
        elif event["kind"] == "histogram":
            self._rows.setdefault(f"{event['name']}.html", []).append(dict(event))

    def due(self) -> bool:
        """Whether it is time to send; asked once before each time."""
        now = time.monotonic()
        if now < self._due or not self._rows:
            return False
        self._due = now + max(EVERY, (now - self._started) / 20)
        return True

    def unsent(self) -> Iterator[tuple[str, str]]:
        """Files that have grown since they were last taken from here: (name, content).

        One counts as sent when the next is asked for: an error while it is sent leaves it unsent.
        """
        for name in self.files:
            rows = list(self._rows[name])
            if len(rows) > self._sent.get(name, 0):
                yield name, _split(rows) if name == RESPONSES else _heat_map(rows)
                self._sent[name] = len(rows)


def _cut(value: object) -> object:
    if not isinstance(value, str) or len(value) <= LONGEST:
        return value
    return f"{value[:LONGEST]} … ({len(value) - LONGEST} more characters)"


def _split(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON as of pandas' orient="split", which MLflow's UI shows as a table."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return orjson.dumps({"columns": columns, "data": [[row.get(c) for c in columns] for row in rows]}).decode()


def _heat_map(histograms: Sequence[Mapping[str, Any]]) -> str:
    """A page that needs nothing else; new edges get a new head."""
    parts: list[str] = []
    edges = None
    for row in reversed(histograms):
        if row["edges"] != edges:
            edges = row["edges"]
            bins = "".join(f"<th>{low:.3g}–{high:.3g}</th>" for low, high in pairwise(edges))
            parts.append(f"<tr><th>step</th>{bins}</tr>")
        most = max(row["counts"], default=0) or 1
        cells = "".join(f'<td class="s{round(SHADES * c / most)}">{c}</td>' for c in row["counts"])
        parts.append(f"<tr><th>{row['step']}</th>{cells}</tr>")
    return PAGE.format(name=escape(histograms[0]["name"]), style=STYLE, rows="\n".join(parts))
