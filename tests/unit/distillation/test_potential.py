"""Scores under a student, against the model's own log-probabilities."""

from pathlib import Path

import pytest
import torch

from tests.unit.distillation.made import trace
from vibethinker.config.model import ScratchSettings
from vibethinker.distillation import potential
from vibethinker.distillation.potential import PotentialSettings, Ranked, Student, rank
from vibethinker.distillation.traces import Trace
from vibethinker.errors import DataError, Preempted
from vibethinker.models.chat import conversation, encode_conversation
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.records import Problem

SCRATCH = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=128)
ALL = PotentialSettings(buckets=2, band=(0.0, 1.0), min_tokens=0)
TOKENIZER = tiny_tokenizer()
STUDENT = Student(tiny_model(SCRATCH, TOKENIZER, 1).eval(), TOKENIZER, {}, "Be brief.", "float32")
TURNS = (("user", "Solve x = 1."), ("assistant", "Done: 1."))
PROBLEMS = {
    "p": Problem(id="p", domain="algebra", question="Solve 2x = 4.", verifier="maths", answer="2", source="s"),
    "q": Problem(
        id="q", domain="algebra", question="And y = 2?", verifier="maths", answer="2", source="s", turns=TURNS
    ),
}
TRACES = [
    trace("a", i, text, problem_id=p)
    for i, (p, text) in enumerate([("p", "2"), ("q", "It is 2."), ("p", "x = 2, so 2.")])
]


def ranked(settings: PotentialSettings, path: Path) -> Ranked:
    return rank(STUDENT, PROBLEMS, TRACES, settings, path / "scores", lambda done, total: None)


def score(asked: Trace) -> float:
    """By hand: one forward pass, the response's tokens and the end."""
    prompt = encode_conversation(TOKENIZER, conversation(PROBLEMS[asked.problem_id], {}, "Be brief."))
    response = (*TOKENIZER(asked.response, add_special_tokens=False)["input_ids"], TOKENIZER.eos_token_id)
    with torch.no_grad():
        logps = STUDENT.model(torch.tensor([[*prompt, *response]])).logits[0].log_softmax(-1)
    own = [float(logps[len(prompt) + t - 1, token]) for t, token in enumerate(response)]
    return -sum(own) / len(own)


def test_scores_are_the_responses_own_in_a_conversation_of_several_turns_too(tmp_path: Path) -> None:
    found = ranked(ALL, tmp_path)
    assert [t.potential for t in found.traces] == pytest.approx([score(t) for t in TRACES], abs=1e-5)
    assert [t.reason for t in found.traces] == ["", "", ""]


def test_lengths_are_the_responses_own(tmp_path: Path) -> None:
    """A letter a token, ` is` and ` so` one each, and the end: 2, 7 and 11."""
    buckets = ranked(ALL, tmp_path).buckets
    assert [(b["low_tokens"], b["high_tokens"], b["traces"], b["kept"]) for b in buckets] == [
        (2, 2, 1, 1),
        (7, 11, 2, 2),
    ]
    found = ranked(PotentialSettings(buckets=1, band=(0.5, 1.0), min_tokens=7), tmp_path)
    assert found.traces[0].reason == "short"
    assert sorted(t.reason for t in found.traces[1:]) == ["", "outside the band"]


def test_stopped_it_scores_no_trace_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk's scores are there before it is told of; a stop costs none."""
    monkeypatch.setattr(potential, "SCORED_AT_ONCE", 2)
    whole = ranked(ALL, tmp_path)
    told: list[int] = []

    def stop(done: int, total: int) -> None:
        told.append(done)
        if done == 2:
            raise Preempted("told to stop")

    path = tmp_path / "stopped"
    with pytest.raises(Preempted):
        rank(STUDENT, PROBLEMS, TRACES, ALL, path, stop)
    assert rank(STUDENT, PROBLEMS, TRACES, ALL, path, lambda done, _: told.append(done)) == whole
    assert told == [0, 2, 2, 3]
    monkeypatch.setattr(potential, "document_losses", None)  # all is known
    assert rank(STUDENT, PROBLEMS, TRACES, ALL, path, lambda done, _: told.append(done)) == whole
    assert told[4:] == [3]


def test_long_traces_are_fewer_in_a_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversations have more tokens than one may have beside another."""
    whole, told = ranked(ALL, tmp_path), list[int]()
    monkeypatch.setattr(potential, "TOKENS_AT_ONCE", 10)
    found = rank(STUDENT, PROBLEMS, TRACES, ALL, tmp_path / "long", lambda done, _: told.append(done))
    assert told == [0, 1, 2, 3]
    assert [t.potential for t in found.traces] == pytest.approx([t.potential for t in whole.traces], abs=1e-5)


def test_a_bucket_that_keeps_none_has_no_scores(tmp_path: Path) -> None:
    found = ranked(PotentialSettings(buckets=1, band=(0.0, 0.1), min_tokens=0), tmp_path)
    assert [(b["kept"], b["low"], b["high"]) for b in found.buckets] == [(0, None, None)]
    assert {t.reason for t in found.traces} == {"outside the band"}


def test_a_trace_that_the_student_cannot_write_is_left_out(tmp_path: Path) -> None:
    odd = trace("a", 9, "so <|end|> there", problem_id="q")
    whole = ranked(ALL, tmp_path)
    for place, attempt in ((0, "new"), (2, "new"), (3, "other")):
        traces = [*TRACES[:place], odd, *TRACES[place:]]
        found = rank(STUDENT, PROBLEMS, traces, ALL, tmp_path / attempt, lambda done, total: None)
        left = found.traces.pop(place)
        assert (left.reason, left.potential) == ("unwritable", None)
        assert [t.reason for t in found.traces] == ["", "", ""]
        assert [t.potential for t in found.traces] == pytest.approx([t.potential for t in whole.traces], abs=1e-5)


def test_where_the_student_can_write_none_the_reason_is_named(tmp_path: Path) -> None:
    odd = [trace("a", i, "so <|end|> there", problem_id="q") for i in range(2)]
    with pytest.raises(DataError, match=r"none of 2 traces, .* problem 'q': a response holds '<\|end\|>'"):
        rank(STUDENT, PROBLEMS, odd, ALL, tmp_path / "scores", lambda done, total: None)
