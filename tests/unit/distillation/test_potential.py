"""Scores under a student, against the model's own log-probabilities."""

import pytest
import torch

from tests.unit.distillation.made import trace
from vibethinker.config.model import ScratchSettings
from vibethinker.distillation.potential import PotentialSettings, Ranked, Student, rank
from vibethinker.distillation.traces import Trace
from vibethinker.errors import DataError
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


def ranked(settings: PotentialSettings, traces: list[Trace] = TRACES) -> Ranked:
    return rank(STUDENT, PROBLEMS, traces, settings, lambda done, total: None)


def score(asked: Trace) -> float:
    """By hand: one forward pass, the response's tokens and the end."""
    prompt = encode_conversation(TOKENIZER, conversation(PROBLEMS[asked.problem_id], {}, "Be brief."))
    response = (*TOKENIZER(asked.response, add_special_tokens=False)["input_ids"], TOKENIZER.eos_token_id)
    with torch.no_grad():
        logps = STUDENT.model(torch.tensor([[*prompt, *response]])).logits[0].log_softmax(-1)
    own = [float(logps[len(prompt) + t - 1, token]) for t, token in enumerate(response)]
    return -sum(own) / len(own)


def test_scores_are_the_responses_own_in_a_conversation_of_several_turns_too() -> None:
    found = ranked(ALL)
    assert [t.potential for t in found.traces] == pytest.approx([score(t) for t in TRACES], abs=1e-5)
    assert [t.reason for t in found.traces] == ["", "", ""]


def test_lengths_are_the_responses_own() -> None:
    """A letter a token, ` is` and ` so` one each, and the end: 2, 7 and 11."""
    buckets = ranked(ALL).buckets
    assert [(b["low_tokens"], b["high_tokens"], b["traces"], b["kept"]) for b in buckets] == [
        (2, 2, 1, 1),
        (7, 11, 2, 2),
    ]
    found = ranked(PotentialSettings(buckets=1, band=(0.5, 1.0), min_tokens=7))
    assert found.traces[0].reason == "short"
    assert sorted(t.reason for t in found.traces[1:]) == ["", "outside the band"]


def test_a_bucket_that_keeps_none_has_no_scores() -> None:
    found = ranked(PotentialSettings(buckets=1, band=(0.0, 0.1), min_tokens=0))
    assert [(b["kept"], b["low"], b["high"]) for b in found.buckets] == [(0, None, None)]
    assert {t.reason for t in found.traces} == {"outside the band"}


def test_a_trace_that_the_student_cannot_write_is_left_out() -> None:
    odd = trace("a", 9, "so <|end|> there", problem_id="q")
    found = ranked(ALL, [odd, *TRACES])
    assert [t.reason for t in found.traces] == ["unwritable", "", "", ""]
    assert (found.traces[0].potential, found.traces[1:], found.buckets) == (None, ranked(ALL).traces, ranked(ALL).buckets)
    assert ranked(ALL, [*TRACES, odd]).traces == [*found.traces[1:], found.traces[0]]


def test_where_the_student_can_write_none_the_reason_is_named() -> None:
    with pytest.raises(DataError, match=r"none of the 2 traces .* problem 'q': a response holds '<\|end\|>'"):
        ranked(ALL, [trace("a", i, "so <|end|> there", problem_id="q") for i in range(2)])
