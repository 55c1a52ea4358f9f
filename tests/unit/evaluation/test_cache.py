"""Files of earlier versions are read and written; what is kept comes back whole."""

import sqlite3
from pathlib import Path

from vibethinker.evaluation.cache import SampleCache
from vibethinker.rollout.text import Text

OLD = "create table responses (request blob, sample integer, text text, tokens integer, finish_reason text, " + (
    "primary key (request, sample)) without rowid"
)


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    text = Text("4", 7, "stop", 31)
    with SampleCache(tmp_path / "new.sqlite", "w", {}) as cache:
        cache.put_texts([(b"r", 0, text)])
    with SampleCache(tmp_path / "new.sqlite", "w", {}) as cache:
        assert cache.texts(b"r") == {0: text}


def test_a_file_without_prompt_lengths_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(OLD)
        database.execute("insert into responses values (?, ?, ?, ?, ?)", (b"r", 0, "4", 7, "length"))
    database.close()
    for _ in range(2):
        with SampleCache(path, "w", {}) as cache, SampleCache(path, "w", {}) as other:
            assert other.texts(b"r")[0] == Text("4", 7, "length")
            cache.put_texts([(b"r", 1, Text("5", 8, "stop", 3))])
            assert other.texts(b"r")[1].prompt_tokens == 3
