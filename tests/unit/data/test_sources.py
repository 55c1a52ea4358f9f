"""Every form of source; rows in = rows out + counted."""

import gzip
import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vibethinker.config.data import SourceSettings
from vibethinker.data.generators import generate
from vibethinker.data.identity import question_key, source_digest
from vibethinker.data.sources import Loaded, load_source
from vibethinker.errors import ConfigError, DataError

DOMAINS = {"algebra": "maths", "geometry": "maths", "code": "code"}
BOX = r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*)\}"
GSM8K = {"domain": "algebra", "trace": "answer", "answer_pattern": "#### (.+)$"}
MATH = {"question": "problem", "answer": "solution", "trace": "solution", "answer_pattern": BOX}


def settings_for(path: Path | str, **changes: object) -> SourceSettings:
    where = {} if "hub" in changes else {"path": str(path), "domain": "algebra"}
    return SourceSettings.model_validate({"name": "hand", "role": "train"} | where | changes)


def load(path: Path | str, **changes: object) -> Loaded:
    loaded = load_source(settings_for(path, **changes), DOMAINS)
    counts = loaded.counts
    parts = ("kept", "quarantined", "other_domain", "duplicates", "over_limit")
    assert counts["rows"] == sum(counts[part] for part in parts)
    assert (counts["kept"], counts["quarantined"]) == (len(loaded.problems), len(loaded.quarantine))
    return loaded


def jsonl(path: Path, *rows: object) -> Path:
    path.write_bytes(b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows))
    return path


def row(question: object = "1 + 1?", answer: object = "2", **more: object) -> dict[str, object]:
    return {"question": question, "answer": answer} | more


def only(loaded: Loaded):
    (problem,) = loaded.problems
    return problem


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.parquet"])
def test_every_form_gives_the_same_problems(tmp_path, name):
    rows = [row(f"What is {i}\u2028+ 1?", i + 1) for i in range(5)]
    lines = "\n".join(json.dumps(item, ensure_ascii=False) for item in rows).encode()
    path = tmp_path / name
    writers = {
        "a.jsonl": lambda: path.write_bytes(b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n") + b"\n\n"),
        "a.jsonl.gz": lambda: path.write_bytes(gzip.compress(lines)),
        "a.json": lambda: path.write_text(json.dumps(rows)),
        "a.parquet": lambda: pq.write_table(pa.Table.from_pylist(rows), path),
    }
    writers[name]()
    problems = sorted(load(path).problems, key=lambda problem: problem.answer)
    assert [problem.question for problem in problems] == [f"What is {i}\u2028+ 1?" for i in range(5)]
    assert [problem.answer for problem in problems] == list("12345")
    assert problems[0].id == f"hand/{question_key('What is 0 + 1?')}"
    assert {(p.domain, p.verifier, p.source, p.traces) for p in problems} == {("algebra", "maths", "hand", ())}


def test_nested_columns(tmp_path):
    rows = [{"prompt": [{"content": "2 + 5?", "role": "user"}], "reward_model": {"ground_truth": 7}}]
    nested = {"question": "prompt.0.content", "answer": "reward_model.ground_truth"}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    from_parquet = only(load(tmp_path / "a.parquet", **nested))
    assert (from_parquet.question, from_parquet.answer) == ("2 + 5?", "7")
    assert only(load(jsonl(tmp_path / "a.jsonl", *rows), **nested)) == from_parquet
    flat = {"a.b": "2 + 5?", "answer": 7, "a": {"b": "other"}}
    assert only(load(jsonl(tmp_path / "b.jsonl", flat), question="a.b")).question == "2 + 5?"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"question": "x', "invalid JSON"),
        (b'{"question": "\xff", "answer": "1"}', "invalid UTF-8"),
        (b"[" * 100_000, "invalid JSON"),
        (["not", "an object"], "must be an object"),
        ({"answer": "1"}, "no column 'question'; the row has 'answer'"),
        ({"question": "q"}, "no column 'answer'"),
        (row("  \n"), "column 'question' is empty"),
        (row(None), "column 'question' must hold text or a number, not nothing"),
        (row(answer=None), "column 'answer' must hold text or a number, not nothing"),
        (row(answer=[1]), "not list [1]"),
        (row(answer=True), "not bool True"),
        (row(answer=float("nan")), "not a finite number"),
        (row("\ud800"), "not valid unicode"),
        (row(trace=5), "column 'trace' must hold text, not int 5"),
        (row(trace=["ok \\boxed{2}", None]), "column 'trace' must hold text, not nothing"),
        (row(), "no column 'trace'"),
    ],
)
def test_malformed_rows_are_quarantined(tmp_path, bad, reason):
    good = row("fine", trace="so \\boxed{2}")
    loaded = load(jsonl(tmp_path / "a.jsonl", good, bad), trace="trace")
    assert only(loaded).question == "fine"
    (entry,) = loaded.quarantine
    assert (entry["source"], entry["row"]) == ("hand", 2)
    assert reason in entry["reason"]


def test_parquet_with_invalid_text_quarantines_that_row(tmp_path):
    raw = pa.array([b"good", b"\xff", b"better"]).cast(pa.binary())
    text = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"question": text, "answer": [1, 2, 3]}), tmp_path / "a.parquet")
    loaded = load(tmp_path / "a.parquet")
    assert {problem.question for problem in loaded.problems} == {"good", "better"}
    assert (loaded.quarantine[0]["row"], "invalid UTF-8" in loaded.quarantine[0]["reason"]) == (2, True)


def test_gsm8k_answer_and_trace(tmp_path):
    solution = "He sold 48/2 = <<48/2=24>>24 clips.\nIn all 48+24 = <<48+24=72>>72.\n#### 1,072"
    problem = only(load(jsonl(tmp_path / "a.jsonl", row("How many?", solution)), **GSM8K))
    assert problem.answer == "1,072"
    assert problem.traces == ("He sold 48/2 = 24 clips.\nIn all 48+24 = 72.\nThe answer is \\boxed{1,072}.",)


def test_last_match_of_the_pattern_is_the_answer(tmp_path):
    solution = "First \\boxed{1}, then \\boxed{\\frac{\\sqrt{2}}{3}} << x."
    problem = only(load(jsonl(tmp_path / "a.jsonl", {"problem": "q", "solution": solution}), **MATH))
    assert (problem.answer, problem.traces) == (r"\frac{\sqrt{2}}{3}", (solution,))


def test_pattern_without_match_is_quarantined(tmp_path):
    rows = [row("a", "#### 5"), row("b", "five"), row("c", "####  \n")]
    loaded = load(jsonl(tmp_path / "a.jsonl", *rows), **GSM8K)
    assert only(loaded).answer == "5"
    assert ["finds nothing in 'five'" in loaded.quarantine[0]["reason"], loaded.counts["quarantined"]] == [True, 2]


@pytest.mark.parametrize(
    ("trace", "kept"),
    [
        ("so \\boxed{15}", True),
        ("so \\boxed{ 015 }", True),
        ("\\boxed{3}, no: \\boxed{15}", True),
        ("\\boxed{15}, no: \\boxed{3}", False),
        ("so 15", False),
        (None, False),
        ([], False),
        (["no box", "so \\boxed{15}"], True),
    ],
)
def test_only_traces_that_box_the_answer_stay(tmp_path, trace, kept):
    loaded = load(jsonl(tmp_path / "a.jsonl", row("q", 15, trace=trace)), trace="trace")
    assert bool(only(loaded).traces) is kept
    given_traces = len(trace) if isinstance(trace, list) else int(trace is not None)
    assert loaded.counts["traces_left_out"] == given_traces - kept


def test_code_rows_need_tests_and_keep_traces(tmp_path):
    tests = ["assert f(1) == 2"]
    rows = [row("good", tests=tests, trace="def f(x): ..."), row("none"), row("empty", tests=[]), row("x", tests="no")]
    loaded = load(jsonl(tmp_path / "a.jsonl", *[{"trace": None} | item for item in rows]), domain="code", trace="trace")
    problem = only(loaded)
    assert (problem.verifier, problem.answer, problem.tests) == ("code", "", tuple(tests))
    assert problem.traces == ("```python\ndef f(x): ...\n```",)
    assert all("column 'tests'" in entry["reason"] for entry in loaded.quarantine)
    assert loaded.counts["quarantined"] == 3


def test_choice_rows_keep_their_letter_and_the_traces_that_box_it(tmp_path):
    rows = [
        row("a", "(B)", trace="So \\boxed{B}."),
        row("b", "C", trace=["```\nx\n```\nIt is \\boxed{\\text{(C)}}.", "No, \\boxed{D}.", "C"]),
        row("c", "five", trace=None),
        row("d", "A or B", trace=None),
        row("e", None, trace=None),
    ]
    path = jsonl(tmp_path / "a.jsonl", *rows)
    source = settings_for(path, domain="science", trace="trace")
    loaded = load_source(source, {"science": "choice"})
    found = {p.question: (p.verifier, p.answer, p.traces) for p in loaded.problems}
    assert found == {
        "a": ("choice", "B", ("So \\boxed{B}.",)),
        "b": ("choice", "C", ("```\nx\n```\nIt is \\boxed{\\text{(C)}}.",)),
    }
    reasons = [entry["reason"] for entry in loaded.quarantine]
    assert ["one option's letter" in reason for reason in reasons] == [True, True, False]
    assert "'five'" in reasons[0]
    assert loaded.counts["traces_left_out"] == 2
    taught = load_source(source.model_copy(update={"unlabelled": True}), {"science": "choice"})
    assert {p.question: p.answer for p in taught.problems} == {"a": "B", "b": "C", "e": ""}


def test_traces_of_constraints_stay_as_they_are(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", row("a", trace="Dear all."))
    loaded = load_source(settings_for(path, domain="letters", trace="trace"), {"letters": "constraints"})
    assert (only(loaded).answer, only(loaded).traces) == ("", ("Dear all.",))


def test_domains_by_column(tmp_path):
    rows = [row(f"q{i}", i, type=kind) for i, kind in enumerate(["Algebra", "Geometry", "Algebra", "Topology", None])]
    loaded = load(
        jsonl(tmp_path / "a.jsonl", *rows),
        domain="",
        domain_column="type",
        domain_map={"Algebra": "algebra", "Geometry": "geometry"},
    )
    assert sorted((p.question, p.domain) for p in loaded.problems) == [
        ("q0", "algebra"),
        ("q1", "geometry"),
        ("q2", "algebra"),
    ]
    assert (loaded.counts["other_domain"], loaded.counts["quarantined"]) == (1, 1)


def test_duplicates_keep_the_first(tmp_path):
    rows = [row("What is $x$?", 1), row("what  is\nx ?", 2), row("What is $-x$?", 3)]
    loaded = load(jsonl(tmp_path / "a.jsonl", *rows))
    assert sorted(problem.answer for problem in loaded.problems) == ["1", "3"]
    assert loaded.counts["duplicates"] == 1


@settings(max_examples=25, deadline=None)
@given(extra=st.sets(st.integers(100, 200), max_size=20), shuffle=st.randoms(use_true_random=False))
def test_limit_is_per_domain_and_stable(tmp_path_factory, extra, shuffle):
    path = tmp_path_factory.mktemp("limit") / "a.jsonl"
    domains = {"domain": "", "domain_column": "type", "domain_map": {"a": "algebra", "g": "geometry"}}
    rows = [row(f"q{i}", i, type="ag"[i % 2]) for i in range(40)]
    first = load(jsonl(path, *rows), limit=7, **domains).problems
    assert [sum(p.domain == name for p in first) for name in ("algebra", "geometry")] == [7, 7]
    shuffle.shuffle(rows)
    assert load(jsonl(path, *rows), limit=7, **domains).problems == first
    grown = rows + [row(f"q{i}", i, type="a") for i in extra]
    after = load(jsonl(path, *grown), limit=7, **domains).problems
    order = [p for p in after if p in first]
    assert order == [p for p in first if p in after]
    assert all(int(p.answer) in extra for p in after if p not in first)


def test_seed_changes_what_a_limit_takes(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", *[row(f"q{i}", i) for i in range(40)])
    assert load(path, limit=7, seed=1).problems != load(path, limit=7, seed=2).problems


# --- generated ----------------------------------------------------------------------------------------------------


def test_generated_rows_are_a_window_of_the_stream():
    source = SourceSettings(name="made", role="train", generator="tiny", limit=20, skip=5, seed=3)
    loaded = load_source(source, DOMAINS)
    expected = [p.question for domain in DOMAINS for p in islice(generate("tiny", domain, 3, "made"), 5, 25)]
    assert [problem.question for problem in loaded.problems] == list(dict.fromkeys(expected))
    assert loaded.counts["rows"] == 60 == loaded.counts["kept"] + loaded.counts["duplicates"]
    assert all(problem.id == f"made/{question_key(problem.question)}" for problem in loaded.problems)
    only_code = load_source(source.model_copy(update={"domain": "code"}), DOMAINS)
    assert {problem.domain for problem in only_code.problems} == {"code"}


# --- the user's mistakes ------------------------------------------------------------------------------------------


def test_unset_variable_is_named(monkeypatch):
    monkeypatch.delenv("VIBETHINKER_NOWHERE", raising=False)
    for path in ("$VIBETHINKER_NOWHERE/a.jsonl", "${VIBETHINKER_NOWHERE}/a.jsonl"):
        with pytest.raises(ConfigError, match="environment variable VIBETHINKER_NOWHERE, which is not set"):
            load(path)
        with pytest.raises(ConfigError, match="VIBETHINKER_NOWHERE"):
            source_digest(settings_for(path))


def test_variables_are_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("VIBETHINKER_HERE", str(tmp_path))
    jsonl(tmp_path / "a.jsonl", row())
    for path in ("$VIBETHINKER_HERE/a.jsonl", "${VIBETHINKER_HERE}/a.jsonl"):
        assert only(load(path)).answer == "2"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.jsonl", None, "does not exist"),
        ("empty.jsonl", b"", "holds no rows"),
        ("empty.json", b"[]", "holds no rows"),
        ("object.json", b"{}", "must hold one array"),
        ("broken.json", b"[", "can't be read"),
        ("broken.jsonl.gz", gzip.compress(b'{"question": "q", "answer": 1}\n' * 100)[:-20], "can't be read"),
        ("not.jsonl.gz", b"plain", "can't be read"),
        ("broken.parquet", b"PAR1", "can't be read"),
        ("table.xlsx", b"x", "must end in one of .jsonl"),
    ],
)
def test_bad_files_say_which_and_why(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        load(tmp_path / name)
    assert name in str(error.value)
    assert "'hand'" in str(error.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "message"), [("(", "no regular expression"), ("a", "0 groups"), ("(a)(b)", "2 groups")]
)
def test_bad_patterns(tmp_path, pattern, message):
    with pytest.raises(ValidationError, match=message):
        load(jsonl(tmp_path / "a.jsonl", row()), answer_pattern=pattern)


def test_unknown_domain(tmp_path):
    with pytest.raises(ConfigError, match="'topology'"):
        load(jsonl(tmp_path / "a.jsonl", row()), domain="topology")


def test_nothing_usable_shows_the_first_reason(tmp_path):
    with pytest.raises(DataError, match=r"none of its 2 rows .* 2 malformed.*row 1: no column 'problem'"):
        load(jsonl(tmp_path / "a.jsonl", row(), row()), question="problem")
    with pytest.raises(DataError, match=r"2 of a domain that is not listed \(domain_map lists \['x'\]\)"):
        load(jsonl(tmp_path / "a.jsonl", row(), row()), domain="", domain_column="answer", domain_map={"x": "algebra"})


# --- the hub ------------------------------------------------------------------------------------------------------


def test_hub_rows(tmp_path):
    jsonl(tmp_path / "train.jsonl", row("a", "1"), row("b", None), row("c", "3"))
    loaded = load("", hub=str(tmp_path), split="train", domain="algebra")
    assert sorted(problem.answer for problem in loaded.problems) == ["1", "3"]
    assert loaded.quarantine[0]["row"] == 2


def test_hub_needs_a_split():
    with pytest.raises(ValidationError, match="needs a split"):
        load("", hub="openai/gsm8k", domain="algebra")


def test_hub_away_names_the_mend():
    program = (
        "from vibethinker.config.data import SourceSettings\n"
        "from vibethinker.data.sources import load_source\n"
        "from vibethinker.errors import DataError\n"
        "source = SourceSettings(name='s', role='train', hub='no-such-owner/no-such-set', split='train', domain='a')\n"
        "try:\n    load_source(source, {'a': 'maths'})\n"
        "except DataError as error:\n    print(error)\n"
    )
    env = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env)
    assert "'no-such-owner/no-such-set' can't be loaded" in done.stdout, done.stderr
    assert "give it as `path`" in done.stdout


# --- identity -----------------------------------------------------------------------------------------------------


def test_source_digest_follows_content(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", row())
    before = source_digest(settings_for(path))
    assert before == source_digest(settings_for(path, name="other", limit=3))
    jsonl(path, row(answer="3"))
    assert source_digest(settings_for(path)) != before
    hub = settings_for("", hub="openai/gsm8k", split="train", revision="abc", domain="algebra")
    assert source_digest(hub) == "hub:openai/gsm8k@abc"
    made = SourceSettings(name="made", role="train", generator="tiny", limit=1)
    assert source_digest(made).startswith("generator:tiny:")


def test_identity_is_light():
    program = (
        "import sys, vibethinker.data.identity as i; "
        "print([m for m in ('pandas', 'pyarrow', 'torch', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- real data ----------------------------------------------------------------------------------------------------

real = pytest.mark.skipif("VIBETHINKER_DATA" not in os.environ, reason="VIBETHINKER_DATA is not set")


@real
def test_gsm8k_gives_every_row_with_a_clean_trace():
    loaded = load("$VIBETHINKER_DATA/gsm8k_train.jsonl", **GSM8K)
    assert (loaded.counts["kept"], loaded.counts["traces_left_out"]) == (7473, 0)
    assert all(p.traces[0].endswith(f"The answer is \\boxed{{{p.answer}}}.") for p in loaded.problems)
    assert not any("<<" in p.traces[0] or "####" in p.traces[0] for p in loaded.problems)


@real
def test_math_gives_every_algebra_row_with_its_solution():
    loaded = load(
        "$VIBETHINKER_DATA/hendrycks_math_test5000.jsonl",
        **MATH,
        domain="",
        domain_column="type",
        domain_map={"Algebra": "algebra"},
    )
    assert (loaded.counts["rows"], loaded.counts["kept"], loaded.counts["other_domain"]) == (5000, 1187, 3813)
    assert all(p.traces for p in loaded.problems)


@real
def test_math_train_has_four_rows_without_answers():
    loaded = load("$VIBETHINKER_DATA/math_train_7474.json", question="problem")
    assert (loaded.counts["rows"], loaded.counts["quarantined"]) == (7474, 4)


@real
@pytest.mark.parametrize("name", ["aime", "aime25", "hmmt25"])
def test_chat_form_of_the_authors(name):
    nested = {"question": "prompt.0.content", "answer": "reward_model.ground_truth"}
    loaded = load(f"$VIBETHINKER_DATA/{name}.parquet", **nested)
    assert len(loaded.problems) == 30
    assert all(problem.answer for problem in loaded.problems)


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A benchmark of three rows, one of them without a gold answer."""
    rows = [{"k": f"r{i}", "q": f"What is {i}+{i}?", "a": str(2 * i) if i else ""} for i in range(3)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = tmp_path / "sums.yaml"
    spec.write_text(
        "name: sums\ntitle: Sums\nverifier: maths\ncount: 3\nlicence: ours\nprompt: '{question}'\n"
        "columns: {id: k, question: q, answer: a}\nlocal: {files: [sums.jsonl]}\n"
    )
    monkeypatch.setenv("VIBETHINKER_DATA", str(tmp_path))
    return str(spec)


def benchmark_source(spec: str, **changes: object) -> SourceSettings:
    values = {"name": "our-sums", "role": "benchmark", "benchmark": spec, "domain": "sums"}
    return SourceSettings.model_validate(values | changes)


def test_a_benchmark_is_a_source_and_its_damage_is_quarantined(sums: str) -> None:
    loaded = load_source(benchmark_source(sums), {"sums": "maths"})
    assert sorted((p.id, p.domain, p.source, p.answer) for p in loaded.problems) == [
        ("our-sums/r1", "sums", "our-sums", "2"),
        ("our-sums/r2", "sums", "our-sums", "4"),
    ]
    assert [(q["source"], q["row"]) for q in loaded.quarantine] == [("our-sums", "r0")]
    assert (loaded.counts["rows"], loaded.counts["kept"], loaded.counts["quarantined"]) == (3, 2, 1)


def test_a_benchmark_is_known_by_its_rows_and_by_how_it_asks(sums: str) -> None:
    before = source_digest(benchmark_source(sums))
    Path(sums).write_text(Path(sums).read_text().replace("'{question}'", "'{question} Think.'"))
    asked = source_digest(benchmark_source(sums))
    rows = Path(sums).with_suffix(".jsonl")
    rows.write_text(rows.read_text().replace('"4"', '"5"'))
    assert len({before, asked, source_digest(benchmark_source(sums))}) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"role": "train"}, "needs role: benchmark"),
        ({"domain": "", "domain_column": "k", "domain_map": {"r1": "sums"}}, "needs role: benchmark, and the domain"),
        ({"path": "x.jsonl"}, "give exactly one"),
    ],
)
def test_a_benchmark_source_that_is_incomplete(sums: str, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        benchmark_source(sums, **changes)


def test_a_benchmark_needs_a_domain_of_its_verifier(sums: str) -> None:
    with pytest.raises(ConfigError, match="is graded by maths, its domain 'sums' by code"):
        load_source(benchmark_source(sums), {"sums": "code"})


# --- conversations ------------------------------------------------------------------------------------------------


def said(*texts: str, system: str = "") -> list[dict[str, str]]:
    """User first, then in turn."""
    first = [{"role": "system", "content": system}] if system else []
    return first + [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def talk(path: Path, messages: object, **changes: object) -> Loaded:
    return load(jsonl(path, {"messages": messages, "answer": "2"}), messages="messages", **changes)


def test_the_last_question_is_the_question_and_what_follows_it_the_trace(tmp_path):
    problem = only(talk(tmp_path / "a.jsonl", said("3 + 4?", "7", " 1 + 1? ", "So \\boxed{2}", system="Be brief.")))
    assert problem.turns == (("system", "Be brief."), ("user", "3 + 4?"), ("assistant", "7"))
    assert (problem.question, problem.answer, problem.traces) == ("1 + 1?", "2", ("So \\boxed{2}",))
    short = only(talk(tmp_path / "b.jsonl", said("1 + 1?", "So \\boxed{2}")))
    assert (short.turns, short.question, short.traces) == ((), "1 + 1?", ("So \\boxed{2}",))
    assert short.id == only(load(jsonl(tmp_path / "c.jsonl", row("1 + 1?")))).id
    asked = only(talk(tmp_path / "d.jsonl", said("3 + 4?", "7", "1 + 1?")))
    assert (len(asked.turns), asked.question, asked.traces) == (2, "1 + 1?", ())


def test_conversations_from_parquet_are_the_same(tmp_path):
    rows = [{"messages": said("3 + 4?", "7", "1 + 1?", "So \\boxed{2}"), "answer": "2"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    from_parquet = only(load(tmp_path / "a.parquet", messages="messages"))
    assert from_parquet == only(load(jsonl(tmp_path / "a.jsonl", *rows), messages="messages"))


def test_one_question_after_two_answers_is_two_problems(tmp_path):
    rows = [{"messages": said(first, "Yes.", "Why?"), "answer": "2"} for first in ("Even?", "Prime?", " even ")]
    loaded = load(jsonl(tmp_path / "a.jsonl", *rows, rows[0]), messages="messages")
    assert (loaded.counts["kept"], loaded.counts["duplicates"]) == (3, 1)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("a text", "must hold a list of messages, not str 'a text'"),
        ([], "must hold a list of messages"),
        (["x"], "a message must be an object with role and content, not str 'x'"),
        ([{"role": "assistant", "content": "2"}], "message 0 has role 'assistant' where user is awaited"),
        ([*said("a"), *said("b")], "message 1 has role 'user' where assistant is awaited"),
        ([*said("a"), {"role": "system", "content": "S"}], "message 1 has role 'system' where assistant is awaited"),
        ([*said("a"), {"role": "tool", "content": "2"}], "message 1 has role 'tool' where assistant is awaited"),
        ([{"content": "2"}], "message 0 has role None where user is awaited"),
        (said(system="S"), "holds a system prompt and no question"),
        ([{"role": "user", "content": None}], "column 'messages.0.content' must hold text or a number, not nothing"),
        ([*said("a"), {"role": "assistant", "content": " "}], "column 'messages.1.content' is empty"),
        ([{"role": "user", "content": "\ud800"}], "column 'messages.0.content' holds text that is not valid unicode"),
    ],
)
def test_conversations_that_are_none_are_quarantined(tmp_path, messages, reason):
    good = {"messages": said("fine"), "answer": "2"}
    loaded = load(jsonl(tmp_path / "a.jsonl", good, {"messages": messages, "answer": "2"}), messages="messages")
    assert only(loaded).question == "fine"
    assert reason in loaded.quarantine[0]["reason"]


def test_messages_and_a_trace_column_are_refused():
    with pytest.raises(ValidationError, match=r"gives messages and \['trace'\]"):
        settings_for("a.jsonl", messages="messages", trace="trace")


# --- rows without a gold answer -----------------------------------------------------------------------------------


def test_rows_of_an_unlabelled_source_may_lack_their_answer(tmp_path):
    rows = [row("a"), row("b", None), row("c", " "), {"question": "d"}, row("e", [1])]
    path = jsonl(tmp_path / "a.jsonl", *rows)
    loaded = load(path, unlabelled=True)
    assert {p.question: p.answer for p in loaded.problems} == {"a": "2", "b": "", "c": "", "d": ""}
    assert loaded.counts["quarantined"] == 1
    assert load(path).counts["quarantined"] == 4


def test_an_answer_that_the_pattern_does_not_find_is_none(tmp_path):
    rows = [row("a", "so #### 5"), row("b", "five"), row("c", "####  \n"), row("d", [1])]
    loaded = load(jsonl(tmp_path / "a.jsonl", *rows), unlabelled=True, **GSM8K | {"trace": ""})
    assert {p.question: p.answer for p in loaded.problems} == {"a": "5", "b": "", "c": ""}
    assert loaded.counts["quarantined"] == 1


def test_what_measures_needs_its_answers():
    with pytest.raises(ValidationError, match="role benchmark and unlabelled: true"):
        settings_for("a.jsonl", role="benchmark", unlabelled=True)


def test_settings_without_the_later_fields_keep_their_identity():
    assert not {"messages", "unlabelled"} & settings_for("a.jsonl").model_dump().keys()
    later = settings_for("a.jsonl", messages="m", unlabelled=True)
    assert SourceSettings.model_validate(later.model_dump()) == later
