"""Probing sets from a real chat server: what is kept, rejected, paid, and never asked twice."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import ChatServer, Messages, Reply, Status
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.data.tables import read_problems, write_problems
from vibethinker.errors import ConfigError, DataError
from vibethinker.records import Problem
from vibethinker.runs.manifest import InputRef
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages import probing

ROOT = Path(__file__).parents[3]
OPENING = "You write problems"
LONG = "A farmer has seven sheep and buys three more sheep every single year"
LABELS = ("problems algebra", "solutions algebra")
ADD = {
    "question": "Write add(a, b), the sum of two numbers.",
    "entry_point": "add",
    "tests": ["assert add(1, 2) == 3", "assert add(0, 0) == 0", "assert add(-1, 1) == 0"],
}
SETTINGS: dict[str, Any] = {
    "problems": 2,
    "solutions": 3,
    "temperature": 1.0,
    "max_response_tokens": 100,
    "endpoint": {"base_url": "http://x/v1", "model": "served"},
    "domains": {"algebra": "maths"},
    "ngram": 10,
    "chat": {"prompt": {}, "system_prompt": "You are brief."},
    "grading": {},
    "seed": 3,
    "precision": "float32",
    "engine": "transformers",
}


def row(number: int, domain: str, **fields: Any) -> Problem:
    found: dict[str, Any] = {"verifier": "maths", "answer": str(number), "question": f"What is {number} + 0?"} | fields
    return Problem(id=f"t/{domain}/{number}", domain=domain, source="t", **found)


TALK = row(
    8,
    "algebra",
    question="Sure?",
    turns=(("system", "Be brief."), ("user", "What is 8 + 0?"), ("assistant", "8")),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """split with a question in `rl` and examples in `sft`; ingest with the benchmark."""
    place = tmp_path_factory.mktemp("probing")
    code = row(1, "code", verifier="code", answer="", question="f(n): add 1.", tests=("assert f(1) == 2",))
    sets = {"sft": [row(1, "algebra"), row(2, "algebra", answer=""), code], "rl": [row(7, "algebra"), TALK]}
    benchmark = [row(9, "algebra", question=f"{LONG}. How many are there after five years?", answer="22")]
    for name in ("split", "ingest"):
        with open_work(spec(place, name, "http://x/v1")) as work:
            for file, rows in (sets if name == "split" else {"benchmark": benchmark}).items():
                write_problems(work.out / f"{file}.parquet", rows)
            digest = work.seal({}).digest
        (place / f"{name}.digest").write_text(digest)
    return place


def spec(workspace: Path, name: str, url: str, attempt: int = 1, **changes: Any) -> StageSpec:
    place = EndpointSettings(base_url=url, model="served", concurrency=1, retries=0, timeout=30)
    inputs = {
        i: InputRef(fingerprint=i, digest=path.read_text(), path=i)
        for i in ("split", "ingest")
        if (path := workspace / f"{i}.digest").exists()
    }
    return StageSpec(
        node=name,
        stage="probing",
        version=1,
        fingerprint=name,
        settings={**SETTINGS, **changes},
        inputs=inputs,
        places={"endpoint": place.model_dump_json(), "price:": '{"prompt": 2.0, "response": 10.0}'},
        folder=workspace / name,
        workspace=workspace,
        attempt=attempt,
        runtime=Runtime(threads=1),
    )


def author(written: Iterable[object], solve: Callable[[str], str | Reply]) -> Callable[[Messages], Reply]:
    """Writes one after the other, the last for ever; solutions by what the question says."""
    left = deque(v if isinstance(v, str) else json.dumps(v) for v in written)

    def answer(messages: Messages) -> Reply:
        text = messages[-1]["content"]
        if text.startswith(OPENING):
            return Reply(left.popleft() if len(left) > 1 else left[0], tokens=20)
        assert messages[0] == {"role": "system", "content": "You are brief."}
        solution = solve(text)
        return solution if isinstance(solution, Reply) else Reply(solution, tokens=5)

    return answer


def twice(question: str) -> str:
    """Solves `Double n.`, and all others wrongly."""
    found = re.match(r"Double (\d+)\.", question)
    assert "final answer in \\boxed{}" in question
    return f"It is \\boxed{{{2 * int(found[1]) if found else 0}}}."


def double(n: int, answer: int | None = None) -> dict[str, str]:
    return {"question": f"Double {n}.", "answer": str(2 * n if answer is None else answer)}


def rejected(made: StageSpec) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in (made.folder / "rejected.jsonl").read_text().splitlines()]
    return [(r["reason"], r["text"]) for r in rows]


def test_only_what_all_solutions_confirm_and_nobody_has_asked_before_is_kept(workspace: Path) -> None:
    """Three replies for two problems, then two for the one that is missing, and two more. Solutions of 3, 5 and 6."""
    tainted = {"question": f"{LONG}. Double 4.", "answer": "8"}
    written = ["Sure!", double(3), row(7, "algebra").model_dump(include={"question", "answer"}), double(3)]
    written += [double(5, answer=11), tainted, double(6)]
    with ChatServer(author(written, twice)) as server:
        made = spec(workspace, "plain", server.url)
        manifest = probing.run(made)
    kept = read_problems(made.folder / "probe.parquet")
    assert [(p.question, p.answer, p.domain) for p in kept] == [
        ("Double 3.", "6", "algebra"),
        ("Double 6.", "12", "algebra"),
    ]
    assert [p.traces for p in kept] == [("It is \\boxed{6}.",), ("It is \\boxed{12}.",)]
    assert rejected(made) == [
        ("malformed", "Sure!"),
        ("duplicate", "What is 7 + 0?"),
        ("duplicate", "Double 3."),
        ("disagreed", "Double 5."),
        ("contaminated", tainted["question"]),
    ]
    counts = json.loads((made.folder / "counts.json").read_bytes())
    assert counts == {
        "written": 7,
        "malformed": 1,
        "duplicates": 2,
        "contaminated": 1,
        "disagreed": 1,
        "kept": 2,
        "requests": 16,
        "prompt_tokens": 16,
        "response_tokens": 7 * 20 + 9 * 5,
        "dollars": pytest.approx((16 * 2.0 + 185 * 10.0) / 1e6),
        "domains": {"algebra": 2},
    }
    assert len(server.requests) == 16
    assert manifest.metrics["kept"] == manifest.metrics["algebra/kept"] == 2
    shown = [b["messages"][-1]["content"] for b in server.requests if b["messages"][-1]["content"].startswith(OPENING)]
    assert all("What is 1 + 0?" in text and "What is 2 + 0?" not in text for text in shown)  # none without an answer


def test_a_question_inside_a_conversation_was_asked_before(workspace: Path) -> None:
    asked = {"question": "What is 8 + 0?", "answer": "8"}
    with ChatServer(author([asked, double(3)], twice)) as server:
        made = spec(workspace, "talked", server.url, problems=1)
        probing.run(made)
    assert [p.question for p in read_problems(made.folder / "probe.parquet")] == ["Double 3."]
    assert ("duplicate", "What is 8 + 0?") in rejected(made)


def test_programs_are_kept_where_every_solution_passes_the_tests_in_the_sandbox(workspace: Path) -> None:
    wrong = {**ADD, "question": "Write add(a, b) for numbers.", "tests": [*ADD["tests"], "assert add(1, 1) == 3"]}

    def solve(question: str) -> str:
        return "So:\n```python\ndef add(a, b):\n    return a + b\n```"

    with ChatServer(author([wrong, ADD], solve)) as server:
        made = spec(workspace, "code", server.url, domains={"code": "code"}, problems=1, solutions=2)
        probing.run(made)
    (kept,) = read_problems(made.folder / "probe.parquet")
    assert (kept.entry_point, kept.form, kept.tests) == ("add", "assert", tuple(ADD["tests"]))
    assert kept.traces == (solve(""),)
    assert rejected(made) == [("disagreed", wrong["question"])]


def test_one_wrong_or_cut_solution_is_enough_to_reject(workspace: Path) -> None:
    times: Counter[str] = Counter()

    def solve(text: str) -> Reply:
        question = text.split("\n")[0]
        times[question] += 1
        if (question, times[question]) == ("Double 3.", 2):
            return Reply("\\boxed{7}")
        return Reply(twice(text), finish_reason="length" if (question, times[question]) == ("Double 4.", 3) else "stop")

    with ChatServer(author([double(3), double(4), double(5)], solve)) as server:
        made = spec(workspace, "strict", server.url, problems=1)
        probing.run(made)
    assert [p.question for p in read_problems(made.folder / "probe.parquet")] == ["Double 5."]
    assert rejected(made) == [("disagreed", "Double 3."), ("disagreed", "Double 4."), ("duplicate", "Double 5.")]
    assert times == {"Double 3.": 3, "Double 4.": 3, "Double 5.": 3}


def test_too_few_are_refused_and_half_are_noted(workspace: Path) -> None:
    with ChatServer(author([double(3), double(3)], twice)) as server:
        some = spec(workspace, "some", server.url, problems=2)
        probing.run(some)
        events = [json.loads(line) for line in (some.attempt_folder / "events.jsonl").read_bytes().splitlines()]
        (note,) = [e["text"] for e in events if e["kind"] == "note"]
        # 3 requests in the first round, then 2 in each of seven
        assert note.startswith(
            "probing set of algebra: 1 of 2 problems after 8 rounds (17 written, 0 malformed, 16 duplicate"
        )
        progress = {label: [e["done"] for e in events if e.get("label") == label] for label in LABELS}
        assert progress["problems algebra"] == [0] + [1] * 8
        solved = progress["solutions algebra"]  # several may be there at once
        assert (solved[0], solved[-1]) == (0, 3) and solved == sorted(solved)
        few = spec(workspace, "few", server.url, problems=3)
        with pytest.raises(DataError, match=r"1 of 3 problems after 8 rounds .* ask a stronger model"):
            probing.run(few)
    assert not (few.folder / "manifest.json").exists()
    assert {reason for reason, _ in rejected(few)} == {"duplicate"}


def test_what_cannot_be_written_is_refused_before_anything_is_asked(workspace: Path) -> None:
    with ChatServer(author([double(3)], twice)) as server:
        with pytest.raises(ConfigError, match="domain 'style' has the verifier constraints"):
            probing.run(spec(workspace, "style", server.url, domains={"style": "constraints"}))
        assert server.requests == []


def test_a_refused_request_ends_nothing(workspace: Path) -> None:
    """A server's filter refuses the first request: the others go on."""
    with ChatServer(author([double(3), double(4)], twice)) as server:
        server.faults.append(Status(400, "filtered"))
        made = spec(workspace, "refused", server.url, problems=2)
        probing.run(made)
    assert len(read_problems(made.folder / "probe.parquet")) == 2
    assert json.loads((made.folder / "counts.json").read_bytes())["requests"] == 2 + 6


@pytest.mark.parametrize("moment", [5, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 2, 8))])
def test_a_kill_repeats_no_paid_request(workspace: Path, moment: int) -> None:
    """Killed while its next request hangs; the next attempt asks just what had no answer."""
    written = [double(3), "Sure!", double(4), double(4), double(5)]
    with ChatServer(author(written, twice)) as server:
        whole = spec(workspace, f"whole-{moment}", server.url)
        probing.run(whole)
    with ChatServer(author(written, twice)) as server:
        answer, seen = server.answer, [0]

        def hang_once(messages: Messages) -> Any:
            seen[0] += 1
            return "hang" if seen[0] == moment + 1 else answer(messages)

        server.answer = hang_once
        first, second = (spec(workspace, f"killed-{moment}", server.url, attempt) for attempt in (1, 2))
        process = start(first)
        server.wait_until(lambda s: len(s.requests) == moment + 1, 60.0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        second.attempt_folder.mkdir(parents=True)
        probing.run(second)
    asked = [json.dumps(body, sort_keys=True) for body in server.requests]
    assert asked.pop(moment) in asked  # the one that hung is asked again
    assert len(set(asked)) == len(asked)
    for name in ("probe.parquet", "rejected.jsonl", "counts.json"):
        assert (second.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def start(made: StageSpec) -> "subprocess.Popen[bytes]":
    made.attempt_folder.mkdir(parents=True)
    made.write(made.attempt_folder / "spec.json")
    path = str(made.attempt_folder / "spec.json")
    command = [sys.executable, "-m", "vibethinker.stages", "probing", "--spec", path]
    with (made.attempt_folder / "log.txt").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log)
