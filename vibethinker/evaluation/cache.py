"""Every response and verdict on disk as soon as it is there: a run that was cut off goes on at the sample where it was.

A row is found by what it depends on (weights, engine, messages, sampling, seed, and the sample's number), so it serves
any benchmark, part of a benchmark, or number of samples that asks the same. SQLite in WAL mode: a kill loses no row.
"""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from vibethinker.records import Verdict
from vibethinker.rollout.text import Request, Text, TextSampling

_TABLES = """
create table if not exists responses (
    request blob, sample integer, text text, tokens integer, finish_reason text, prompt_tokens integer,
    primary key (request, sample)
) without rowid;
create table if not exists verdicts (
    request blob, sample integer, grading blob, verdict blob, primary key (request, sample, grading)
) without rowid;
"""
_BUSY_SECONDS = 60.0


class SampleCache:
    """A context manager; to be used from one thread. Several processes may share a file."""

    def __init__(self, path: Path | None, weights: str, engine: Mapping[str, str]) -> None:
        """path: None keeps it in memory. weights, engine: identity of what generates."""
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path or ":memory:", timeout=_BUSY_SECONDS)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.executescript(_TABLES)
        self._add_prompt_tokens()
        self._generator = {"weights": weights, "engine": dict(engine)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def _add_prompt_tokens(self) -> None:
        """To a file of a version that did not keep them."""
        if any(column[1] == "prompt_tokens" for column in self._database.execute("pragma table_info(responses)")):
            return
        try:
            self._database.execute("alter table responses add column prompt_tokens integer")
        except sqlite3.OperationalError as error:
            if "duplicate column" not in str(error):  # another process was faster
                raise

    def key(self, request: Request, sampling: TextSampling) -> bytes:
        """Identity of all samples of one request."""
        how = {
            "max_response_tokens": sampling.max_response_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        return digest({**self._generator, "sampling": how, "key": request.key, "messages": request.messages})

    def texts(self, request: bytes) -> dict[int, Text]:
        """Sample -> response, of those that are there."""
        rows = self._database.execute(
            "select sample, text, tokens, finish_reason, prompt_tokens from responses where request = ?", (request,)
        )
        return {sample: Text(text, tokens, finish, prompt or 0) for sample, text, tokens, finish, prompt in rows}

    def samples(self, request: bytes) -> set[int]:
        """Which samples are there."""
        return {row[0] for row in self._database.execute("select sample from responses where request = ?", (request,))}

    def verdicts(self, request: bytes, grading: bytes) -> dict[int, Verdict]:
        """Sample -> verdict under this grading."""
        rows = self._database.execute(
            "select sample, verdict from verdicts where request = ? and grading = ?", (request, grading)
        )
        return {sample: Verdict.model_validate(orjson.loads(verdict)) for sample, verdict in rows}

    def put_texts(self, rows: Sequence[tuple[bytes, int, Text]]) -> None:
        """Keeps all of them or, where the process dies meanwhile, none."""
        with self._database:
            self._database.executemany(
                "insert or replace into responses (request, sample, text, tokens, finish_reason, prompt_tokens) "
                "values (?, ?, ?, ?, ?, ?)",
                [(r, s, text.text, text.tokens, text.finish_reason, text.prompt_tokens) for r, s, text in rows],
            )

    def put_verdicts(self, rows: Sequence[tuple[bytes, int, bytes, Verdict]]) -> None:
        """Keeps all of them or none."""
        with self._database:
            self._database.executemany(
                "insert or replace into verdicts values (?, ?, ?, ?)",
                [(r, s, g, orjson.dumps(v.model_dump())) for r, s, g, v in rows],
            )


def digest(value: object) -> bytes:
    """16 bytes that name plain data."""
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
