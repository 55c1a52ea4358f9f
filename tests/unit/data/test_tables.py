"""Parquet round trips, bytes and digests."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.data.tables import read_problems, read_samples, set_digest, write_problems, write_samples
from vibethinker.records import Problem, Sample

ROLES = st.sampled_from(["system", "user", "assistant"])
TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
PROBLEMS = st.lists(
    st.builds(
        Problem,
        id=TEXT,
        domain=TEXT,
        question=TEXT,
        turns=st.lists(st.tuples(ROLES, TEXT), max_size=2).map(tuple),
        verifier=st.sampled_from(["maths", "code"]),
        answer=TEXT,
        tests=st.lists(TEXT, max_size=2).map(tuple),
        traces=st.lists(TEXT, max_size=2).map(tuple),
        source=TEXT,
    ),
    max_size=5,
)


def problem(name: str, **changes: object) -> Problem:
    row = {"id": name, "domain": "algebra", "question": "2 + 2?", "verifier": "maths", "answer": "4", "source": "hand"}
    return Problem.model_validate(row | changes)


@settings(max_examples=30, deadline=None)
@given(problems=PROBLEMS)
def test_problems_return_as_they_were(tmp_path_factory, problems):
    path = tmp_path_factory.mktemp("tables") / "train.parquet"
    write_problems(path, problems)
    assert read_problems(path) == problems


def test_same_rows_give_same_bytes(tmp_path: Path):
    rows = [problem("a", traces=("line\u2028one", "two")), problem("b", tests=("assert f(1) == 2",))]
    for name in ("one", "two"):
        write_problems(tmp_path / name, rows)
    write_problems(tmp_path / "other", rows[::-1])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()


def test_files_and_digests_without_turns_are_as_before_there_were_any(tmp_path: Path):
    """A row of before, and its digest as it was then: what is sealed stays known."""
    before = {
        "id": "a",
        "domain": "algebra",
        "question": "2 + 2?",
        "verifier": "maths",
        "answer": "4",
        "source": "hand",
    }
    rest = {"tests": ["t"], "form": "assert", "entry_point": "", "prelude": "", "traces": ["4"]}
    pq.write_table(pa.Table.from_pylist([before | rest]), tmp_path / "old.parquet")
    rows = read_problems(tmp_path / "old.parquet")
    assert rows == [problem("a", tests=("t",), traces=("4",))]
    assert set_digest(rows) == "f6b4447439c8913a1f5db5f3360f5cd49cb47b41e9b4178b7ba227a403589db2"
    write_problems(tmp_path / "new.parquet", rows)
    assert "turns" not in pq.read_schema(tmp_path / "new.parquet").names
    talk = problem("b", turns=(("user", "1 + 1?"), ("assistant", "2")))
    write_problems(tmp_path / "new.parquet", [*rows, talk])
    assert read_problems(tmp_path / "new.parquet") == [*rows, talk]
    assert pq.read_table(tmp_path / "new.parquet")["turns"].to_pylist() == [
        [],
        [["user", "1 + 1?"], ["assistant", "2"]],
    ]


def test_samples_keep_columns_and_missing_answers(tmp_path: Path):
    common = {"problem_id": "a", "domain": "algebra", "tokens": 3, "finish_reason": "stop"}
    samples = [
        Sample(**common, sample=0, response="\\boxed{4}", status="correct", extracted="4"),
        Sample(**common, sample=1, response="", status="incorrect", reason="no box"),
    ]
    write_samples(tmp_path / "samples.parquet", samples)
    frame = read_samples(tmp_path / "samples.parquet")
    assert list(frame.columns) == list(Sample.model_fields)
    assert frame["sample"].tolist() == [0, 1]
    assert frame["extracted"].isna().tolist() == [False, True]
    assert frame["response"].tolist() == ["\\boxed{4}", ""]


def test_empty_tables_keep_their_columns(tmp_path: Path):
    write_problems(tmp_path / "problems", [])
    write_samples(tmp_path / "samples", [])
    assert read_problems(tmp_path / "problems") == []
    assert list(read_samples(tmp_path / "samples").columns) == list(Sample.model_fields)


@settings(max_examples=30, deadline=None)
@given(problems=PROBLEMS, shuffle=st.randoms(use_true_random=False))
def test_digest_ignores_order(problems, shuffle):
    other = list(problems)
    shuffle.shuffle(other)
    assert set_digest(other) == set_digest(problems)


def test_digest_sees_every_field():
    rows = [
        problem("a"),
        problem("b"),
        problem("a", answer="5"),
        problem("a", traces=("4",)),
        problem("a", tests=("4",)),
        problem("a", source="other"),
        problem("a", turns=(("user", "x"), ("assistant", "y"))),
        problem("a", turns=(("user", "x"), ("assistant", "z"))),
    ]
    assert len({set_digest([row]) for row in rows}) == len(rows)
    assert set_digest(rows[:1]) != set_digest(rows[:1] * 2)
