"""Distillation from end to end: models loaded here, models served elsewhere, the RL checkpoints; stopped and killed on the way."""

import gc
import itertools
import multiprocessing
import os
import signal
import sqlite3
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.chat_server import ChatServer, Fault, Messages, Reply, Status
from tests.unit.stages.distill_bench import QUESTION, Bench, run, served, teacher
from tests.unit.training.warm import warm_problems
from vibethinker.config.distillation import DistillationSettings, SelfDistillationSettings, TeacherSettings
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.config.load import load_profile
from vibethinker.config.training import SamplingSettings
from vibethinker.distillation import potential
from vibethinker.distillation.traces import sift
from vibethinker.errors import DataError, EndpointFailed, Preempted
from vibethinker.models.chat import conversation, encode_conversation
from vibethinker.models.checkpoint import load_tokenizer
from vibethinker.runs.manifest import Manifest
from vibethinker.stages import distill, teacher_engine
from vibethinker.stages.distill import DistillSettings
from vibethinker.stages.recipe import recipe
from vibethinker.stages.setting import load_engine
from vibethinker.stages.teacher_engine import TEACHERS
from vibethinker.training.sft import document_losses

LAB = str(Path(__file__).parents[1] / "lab.yaml")
SAMPLING = SamplingSettings(samples=4, max_response_tokens=12)
NO_GOLD = [
    p.model_copy(update={"id": f"{p.id}-open", "question": f"Please: {p.question}", "answer": "", "traces": ()})
    for p in warm_problems()[:3]
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    yield Bench(tmp_path_factory.mktemp("distill"))
    torch.use_deterministic_algorithms(False)


def local(bench: Bench, **more: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
    return [teacher("small", 6, digest="abc", **more)], {"small": str(bench.model)}


def endpoint(server: ChatServer, **more: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
    asked = {"base_url": server.url, "model": "served"}
    return [teacher("api", endpoint=asked, **more)], {"api": served(server.url)}


class Solver:
    """Right on every question of `warm_problems`, each time in other words."""

    def __init__(self, odd: dict[int, str | Reply | Fault] | None = None) -> None:
        self._numbers = itertools.count()
        self._odd = odd or {}
        """What is answered instead, by the request's number."""

    def __call__(self, messages: Messages) -> str | Reply | Fault:
        number = next(self._numbers)
        answers = {p.question: p.answer for p in warm_problems()}
        answer = answers[messages[-1]["content"].removeprefix("Please: ")]
        return self._odd.get(number, f"\n Way {number}: \\boxed{{{answer}}}\n")


def test_the_recipe_writes_settings_that_the_stage_reads(bench: Bench) -> None:
    how = TeacherSettings(name="small", source=str(bench.model), sampling=SAMPLING)
    away = TeacherSettings(
        name="api", endpoint=EndpointSettings(base_url="http://host/v1", model="m"), sampling=SAMPLING
    )
    changed = {
        "distillation": DistillationSettings(teachers=(how, away)),
        "self_distillation": SelfDistillationSettings(sampling=SAMPLING),
    }
    nodes = recipe(load_profile(LAB).model_copy(update=changed))
    first, second = (DistillSettings.model_validate(nodes[n].settings) for n in ("traces", "student-traces"))
    assert [bool(t.digest) for t in first.teachers] == [True, False] and first.votes and not first.potential
    assert set(nodes["traces"].places) == {"small", "api", "price:api"}
    assert {t.name for t in second.teachers} | {"student"} <= set(nodes["student-traces"].inputs)
    assert second.votes is None and second.potential and not second.sources_too


def test_a_model_loaded_here_writes_traces_that_are_verified(bench: Bench) -> None:
    teachers, places = local(bench)
    counts, problems, rows = run(bench.spec("local", teachers, places, sources_too=True))
    small = counts["teachers"]["small"]
    assert (counts["problems"], small["problems"], small["traces"], len(rows)) == (12, 12, 72, 72)
    kept = [r for r in rows if r["kept"]]
    assert 0 < len(kept) == small["kept"] == counts["domains"]["algebra"]["kept"] < small["verified"]
    assert all((r["status"], r["finish_reason"], r["reason"]) == ("correct", "stop", "") for r in kept)
    assert all(r["reason"] for r in rows if not r["kept"])
    assert Counter(r["reason"] for r in rows if r["reason"]) == counts["reasons"]
    assert small["truncated"] == sum(r["finish_reason"] == "length" for r in rows)
    assert small["response_tokens"] == sum(r["tokens"] for r in rows) and small["prompt_tokens"] > 72
    for original in warm_problems():
        added = [r["response"] for r in kept if r["problem_id"] == original.id]
        assert problems[original.id].traces == (*original.traces, *added)
        assert len(added) <= 2
        assert len({"".join(t.split()) for t in problems[original.id].traces}) == len(problems[original.id].traces)
    manifest = Manifest.read(bench.workspace / "local")
    assert manifest.metrics["kept"] == len(kept) and manifest.metrics["dollars"] == 0
    assert not list(bench.workspace.glob("local/work"))


def test_the_same_settings_give_the_same_traces_and_sources_traces_may_be_left_out(bench: Bench) -> None:
    teachers, places = local(bench)
    hopeless = warm_problems()[0].model_copy(
        update={"id": "t/hopeless", "question": "Solve 2x = 7 for x.", "answer": "3.5"}
    )
    bench.with_problems("hard", [*warm_problems(), hopeless])
    first = run(bench.spec("own-1", teachers, places, keep=6, split="hard"))
    second = run(bench.spec("own-2", teachers, places, keep=6, split="hard"))
    assert first[1:] == second[1:]
    counts, problems, rows = first
    assert counts["without_trace"] == 1 and set(problems) == {p.id for p in warm_problems()}
    assert {i: p.traces for i, p in problems.items()} == {
        i: tuple(r["response"] for r in rows if r["kept"] and r["problem_id"] == i) for i in problems
    }


def test_an_endpoint_costs_what_it_charges(bench: Bench) -> None:
    price = '{"prompt": 1.0, "response": 2.0}'
    odd = {
        0: r"wrong \boxed{999}",
        5: Reply(r"\boxed{2}", finish_reason="length"),
        9: f"{QUESTION}? No. \\boxed{{1}}",
        13: Status(400, "too spicy"),
    }
    with ChatServer(Solver(odd)) as server:
        teachers, places = endpoint(server)
        counts, problems, _ = run(bench.spec("paid", teachers, places | {"price:api": price}))
    api = counts["teachers"]["api"]
    assert (api["traces"], api["verified"], api["truncated"], api["refused"], api["kept"]) == (47, 45, 1, 1, 24)
    assert (api["prompt_tokens"], api["response_tokens"]) == (47, 47 * 7)
    assert api["dollars"] == pytest.approx(47 * (1 + 14) / 1e6)
    assert counts["contaminated"] == 1
    assert counts["reasons"] == {"incorrect": 1, "cut": 1, "contaminated": 1, "more than keep": 20}
    assert all(len(p.traces) == 2 for p in problems.values())
    assert all(trace == trace.strip() for p in problems.values() for trace in p.traces)
    assert not any(QUESTION in trace for p in problems.values() for trace in p.traces)
    assert api["seconds"] > 0


def test_the_majority_labels_problems_without_a_gold_answer(bench: Bench) -> None:
    """One gets three votes of four, one is split in two, one is answered in words."""
    bench.with_problems("open", [*warm_problems()[3:5], *NO_GOLD])
    open_answers = iter([r"A \boxed{2}", r"B \boxed{2.0}", r"C \boxed{5}", r"D \boxed{\frac{4}{2}}"])
    split_answers = iter([r"A \boxed{1}", r"B \boxed{1}", r"C \boxed{5}", r"D \boxed{5}"])
    solver = Solver()

    def answer(messages: Messages) -> str | Reply | Fault:
        given = {NO_GOLD[0].question: open_answers, NO_GOLD[1].question: split_answers}
        question = messages[-1]["content"]
        return next(given[question]) if question in given else "two" if "Please" in question else solver(messages)

    with ChatServer(answer) as server:
        spec = bench.spec("votes", *endpoint(server), split="open", keep=4, min_votes=2, min_vote_share=0.5)
        counts, problems, rows = run(spec)
        assert len(server.requests) == 20
    assert (counts["pseudo_labelled"], counts["unlabelled"], counts["without_trace"]) == (1, 2, 2)
    labelled = problems[NO_GOLD[0].id]
    assert labelled.answer == "2" and [t[0] for t in labelled.traces] == ["A", "B", "D"]
    assert set(problems) == {"t/5", "t/6", NO_GOLD[0].id}
    statuses = Counter((r["problem_id"], r["status"]) for r in rows)
    assert statuses[NO_GOLD[0].id, "correct"] == 3 and statuses[NO_GOLD[0].id, "incorrect"] == 1
    assert statuses[NO_GOLD[1].id, "unlabelled"] == statuses[NO_GOLD[2].id, "unlabelled"] == 4


def test_without_a_vote_such_problems_are_not_asked(bench: Bench) -> None:
    bench.with_problems("unasked", [*warm_problems()[3:5], *NO_GOLD])
    with ChatServer(Solver()) as server:
        counts, problems, _ = run(bench.spec("no-votes", *endpoint(server), split="unasked"))
        assert len(server.requests) == 8
    assert counts["unlabelled"] == 3 and len(problems) == 2


def test_a_student_gets_what_it_learns_most_from(bench: Bench) -> None:
    teachers = [teacher("mgpo-short", 6), teacher("mgpo-long", 6, domains=["algebra"])]
    potential = {"buckets": 2, "band": [0.25, 0.9], "min_tokens": 3}
    counts, problems, rows = run(bench.spec("student-traces", teachers, {}, keep=4, potential=potential))
    scored = [r for r in rows if r["potential"] is not None]
    assert all(r["kept"] or r["reason"] in ("short", "outside the band") for r in scored)
    assert {r["teacher"] for r in scored} == {"mgpo-short", "mgpo-long"}
    buckets = counts["potential"]["buckets"]
    assert (
        sum(b["kept"] for b in buckets) == sum(r["kept"] for r in rows) == sum(len(p.traces) for p in problems.values())
    )
    assert 0 < sum(b["kept"] for b in buckets) < sum(b["traces"] for b in buckets) <= len(scored)
    assert all(b["low"] <= b["high"] and b["low_tokens"] <= b["high_tokens"] for b in buckets)
    best = [r["potential"] for r in rows if r["kept"]]
    assert min(best) == pytest.approx(min(b["low"] for b in buckets))
    assert all(r["response"] in problems[r["problem_id"]].traces for r in rows if r["kept"])


def test_two_teachers_take_turns_and_keep_to_their_domains(bench: Bench) -> None:
    with ChatServer(Solver()) as server:
        asked = {"base_url": server.url, "model": "served"}
        teachers = [teacher(name, endpoint=asked, domains=["algebra"]) for name in ("one", "two")]
        teachers.append(teacher("other", endpoint=asked, domains=["geometry"]))
        places = {t["name"]: served(server.url) for t in teachers}
        counts, _, _ = run(bench.spec("turns", teachers, places))
    assert {name: row["problems"] for name, row in counts["teachers"].items()} == {"one": 12, "two": 12, "other": 0}
    assert [counts["teachers"][name]["kept"] for name in ("one", "two")] == [12, 12]


def test_nothing_is_left_in_a_domain(bench: Bench) -> None:
    with ChatServer(lambda _: r"\boxed{999}") as server, pytest.raises(DataError) as error:
        run(bench.spec("nothing", *endpoint(server)))
    for part in ("12 problems", "['algebra']", "48 incorrect", "sources_too"):
        assert part in str(error.value)


def test_an_endpoint_that_refuses_everything_ends_the_stage(bench: Bench) -> None:
    with ChatServer(lambda _: Status(400, "context too short")) as server:
        with pytest.raises(EndpointFailed, match="context too short"):
            run(bench.spec("refused", *endpoint(server)))
        assert len(server.requests) < 15


def test_told_to_stop_it_keeps_all_and_loads_no_finished_teacher_again(bench: Bench) -> None:
    """SIGTERM while the second teacher answers; then the first one's model is not even there any more."""
    solver = Solver()

    def stopping(messages: Messages) -> str | Reply | Fault:
        if len(server.requests) == 20:
            os.kill(os.getpid(), signal.SIGTERM)
        return solver(messages)

    with ChatServer(stopping) as server:
        (loaded,), places = local(bench)
        (asked,), there = endpoint(server)
        with pytest.raises(Preempted):
            run(bench.spec("stopped", [loaded, asked], places | there))
        before = len(server.requests)
        assert 20 <= before < 48
        counts, _, rows = run(bench.spec("stopped", [loaded, asked], there | {"small": "/gone"}, attempt=2))
        seeds = Counter(body["seed"] for body in server.requests)
    assert len(seeds) == 48 and len(server.requests) <= 50  # one was under way, another one's answer not read yet
    whole = run(bench.spec("whole", [loaded], places))[2]
    small = [(r["problem_id"], r["sample"], r["response"]) for r in rows if r["teacher"] == "small"]
    assert sorted(small) == sorted((r["problem_id"], r["sample"], r["response"]) for r in whole)
    assert counts["teachers"]["api"]["traces"] == 48


def test_killed_it_repeats_no_request_that_was_answered(bench: Bench) -> None:
    solver = Solver()
    stuck = True

    def answer(messages: Messages) -> str | Reply | Fault:
        return "hang" if stuck and len(server.requests) > 25 else solver(messages)

    with ChatServer(answer) as server:
        teachers, places = endpoint(server)
        process = multiprocessing.get_context("fork").Process(
            target=run, args=(bench.spec("killed", teachers, places),)
        )
        process.start()
        file = bench.workspace / "killed" / "work" / TEACHERS / "api.sqlite"
        _wait(lambda: file.exists() and _kept(file) == 25)
        process.kill()
        process.join()
        assert not (bench.workspace / "killed" / "manifest.json").exists()
        stuck = False
        counts, _, rows = run(bench.spec("killed", teachers, places, attempt=2))
        seeds = Counter(body["seed"] for body in server.requests)
    assert len(seeds) == 48 and sorted(seeds.values()) == [1] * 47 + [2]
    assert counts["teachers"]["api"]["traces"] == len({(r["problem_id"], r["sample"]) for r in rows}) == 48


def longest_prompts(bench: Bench) -> tuple[int, set[str]]:
    """Their tokens, and the problems that have them."""
    tokenizer = load_tokenizer(bench.model)
    lengths = {p.id: len(encode_conversation(tokenizer, conversation(p, {}, ""))) for p in warm_problems()}
    most = max(lengths.values())
    return most, {name for name, length in lengths.items() if length == most}


def test_a_prompt_too_long_for_the_engine_gives_no_trace(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    most, long = longest_prompts(bench)
    monkeypatch.setattr(teacher_engine, "longest_of", lambda folder, runtime: most + 11)
    counts, _, rows = run(bench.spec("too-long", [teacher("mgpo-short", 3)], {}, sources_too=True))
    assert 0 < len(long) < 12 and {r["problem_id"] for r in rows} == {p.id for p in warm_problems()} - long
    assert counts["teachers"]["mgpo-short"]["refused"] == 3 * len(long)


def test_where_no_prompt_fits_the_engine_it_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_engine, "longest_of", lambda folder, runtime: 12)
    with pytest.raises(DataError, match=r"'mgpo-short': no prompt .* max_response_tokens = 12; .*engine.max_length"):
        run(bench.spec("all-too-long", [teacher("mgpo-short", 3)], {}, sources_too=True))


def test_stopped_while_it_scores_it_goes_on_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(potential, "SCORED_AT_ONCE", 8)
    settings: dict[str, Any] = {"keep": 4, "potential": {"buckets": 2, "band": [0.25, 0.9], "min_tokens": 3}}
    teachers = [teacher("mgpo-short", 6)]
    scored: list[int] = []

    def stopping(model: Any, documents: Any, tokens: int, precision: str) -> list[float]:
        scored.append(len(documents))
        if len(scored) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return document_losses(model, documents, tokens, precision)

    monkeypatch.setattr(potential, "document_losses", stopping)
    with pytest.raises(Preempted):
        run(bench.spec("scoring", teachers, {}, **settings))
    assert scored == [8, 8]
    found = run(bench.spec("scoring", teachers, {}, attempt=2, **settings))
    rows = [r for r in found[2] if r["potential"] is not None]
    assert sum(scored) == len(rows) > 16
    monkeypatch.setattr(potential, "document_losses", document_losses)
    assert run(bench.spec("scored", teachers, {}, **settings))[1:] == found[1:]


def test_told_to_stop_it_sifts_no_other_problem(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sifted = []

    def stopping(*given: Any) -> Any:
        sifted.append(given)
        if len(sifted) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return sift(*given)

    monkeypatch.setattr(distill, "sift", stopping)
    with pytest.raises(Preempted):
        run(bench.spec("sifting", [teacher("mgpo-short", 1)], {}))
    assert len(sifted) == 2


def test_a_teacher_s_memory_is_free_before_the_next_one_s(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[weakref.ref[Any]] = []
    gone: list[bool] = []
    collect = gc.collect

    def loading(*given: Any) -> Any:
        engine, tokenizer = load_engine(*given)
        engines.append(weakref.ref(engine))
        return engine, tokenizer

    def collecting() -> int:
        found = collect()
        gone.append(all(engine() is None for engine in engines))
        return found

    monkeypatch.setattr(teacher_engine, "load_engine", loading)
    monkeypatch.setattr(gc, "collect", collecting)
    run(bench.spec("memory", [teacher("mgpo-short", 2), teacher("mgpo-long", 2)], {}, sources_too=True))
    assert len(engines) == 2 and gone == [True, True]


def _kept(file: Path) -> int:
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            return int(database.execute("select count(*) from responses").fetchone()[0])
    except sqlite3.OperationalError:  # the table is not there yet
        return 0


def _wait(true: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never got there"
        time.sleep(0.02)
