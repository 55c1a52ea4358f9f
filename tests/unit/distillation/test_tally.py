"""Responses and money, counted by hand."""

from tests.unit.distillation.made import open_problem, trace
from vibethinker.config.distillation import PriceSettings
from vibethinker.distillation.tally import Tally, dollars


def test_what_came_of_the_responses() -> None:
    tally = Tally()
    tally.add(trace("a", 0))
    tally.add(trace("a", 1, reason="more than keep", domain="code"))
    tally.add(trace("b", 0, status="incorrect", reason="incorrect"))
    tally.add(trace("b", 1, finish_reason="length", reason="cut"))
    assert tally.reasons == {"more than keep": 1, "incorrect": 1, "cut": 1}
    problems = [open_problem(), open_problem(domain="code"), open_problem(domain="geometry")]
    assert tally.domains(problems) == {
        "algebra": {"problems": 1, "traces": 3, "kept": 1},
        "code": {"problems": 1, "traces": 1, "kept": 0},
        "geometry": {"problems": 1, "traces": 0, "kept": 0},
    }


def test_dollars_per_million_tokens() -> None:
    assert dollars(PriceSettings(prompt=0.5, response=2.0), 2_000_000, 250_000) == 1.5
    assert dollars(PriceSettings(), 10, 10) == 0.0
