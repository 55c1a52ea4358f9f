"""Responses as tests want them."""

from typing import Any

from vibethinker.distillation.traces import Trace
from vibethinker.records import Problem


def trace(teacher: str = "a", sample: int = 0, response: str = "", **more: Any) -> Trace:
    """A correct one with a text of its own."""
    given = {
        "problem_id": "p",
        "domain": "algebra",
        "tokens": 5,
        "prompt_tokens": 3,
        "finish_reason": "stop",
        "status": "correct",
    }
    return Trace(teacher=teacher, sample=sample, response=response or f"{teacher}{sample}", **{**given, **more})


def open_problem(verifier: str = "maths", **more: Any) -> Problem:
    """Without a gold answer."""
    given = {"id": "p", "domain": "algebra", "question": "How many?", "verifier": verifier, "source": "s"}
    return Problem.model_validate({**given, **more})
