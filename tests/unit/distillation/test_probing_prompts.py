"""What a model is asked for, and that only a reply just as asked for becomes a problem."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibethinker.distillation.probing_prompts import EXAMPLES, read_reply, writing_prompt, writing_requests
from vibethinker.errors import DataError
from vibethinker.records import Problem, VerifierName
from vibethinker.rollout.text import Text

MATHS = {"question": "Solve 3x = 12 for x.", "answer": "4"}
CHOICE = {"question": "Which is prime? A. 4 B. 5 C. 6 D. 8", "answer": "B"}
CODE = {
    "question": "Write double(n), which gives twice n.",
    "entry_point": "double",
    "tests": ["assert double(1) == 2", "assert double(0) == 0", "assert double(-4) == -8"],
}


def reply(value: Any, finish: Any = "stop") -> Text:
    return Text(value if isinstance(value, str) else json.dumps(value), 9, finish)


def row(number: int, **fields: Any) -> Problem:
    found: dict[str, Any] = {"verifier": "maths", "answer": str(number), "question": f"Question {number}?"} | fields
    return Problem(id=f"t/{number}", domain="algebra", source="t", **found)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(MATHS),
        f"  {json.dumps(MATHS)}\n",
        f"```json\n{json.dumps(MATHS, indent=1)}\n```",
        f"```\n{json.dumps(MATHS)}\n```",
        f"<think>maybe {{}}?</think>\n{json.dumps(MATHS)}",
    ],
)
def test_a_reply_as_it_was_asked_for_becomes_a_problem(text: str) -> None:
    found = read_reply(reply(text), "algebra", "maths")
    assert (found.question, found.answer, found.domain, found.verifier) == (*MATHS.values(), "algebra", "maths")
    assert found.id.startswith("probing-set/algebra-") and found.source == "probing-set" and found.traces == ()
    assert found.id == read_reply(reply({**MATHS, "question": "solve 3X = 12  for $x$."}), "algebra", "maths").id


def test_choice_and_code_have_what_their_graders_need() -> None:
    assert read_reply(reply(CHOICE), "physics", "choice").answer == "B"
    found = read_reply(reply(CODE), "code", "code")
    assert (found.form, found.entry_point, found.tests) == ("assert", "double", tuple(CODE["tests"]))
    assert found.answer == ""


@pytest.mark.parametrize(
    ("value", "verifier", "why"),
    [
        ("Here it is: " + json.dumps(MATHS), "maths", "no JSON object alone"),
        (json.dumps(MATHS) * 2, "maths", "no JSON object alone"),
        (f"```json\n{json.dumps(MATHS)}", "maths", "no JSON object alone"),
        (f"```python\n{json.dumps(MATHS)}\n```", "maths", "no JSON object alone"),
        ("<think>" + json.dumps(MATHS), "maths", "was cut"),
        ("", "maths", "no JSON object alone"),
        ([MATHS], "maths", "valid dictionary or instance"),
        ({**MATHS, "answer": 4}, "maths", "answer: Input should be a valid string"),
        ({**MATHS, "answer": "  "}, "maths", "answer: String should have at least 1"),
        ({**MATHS, "answer": "4" * 501}, "maths", "answer: String should have at most 500"),
        ({**MATHS, "question": ""}, "maths", "question: "),
        ({"question": "What?"}, "maths", "answer: Field required"),
        ({**MATHS, "note": "easy"}, "maths", "note: Extra inputs"),
        ({**CHOICE, "answer": "b and c"}, "choice", "needs the right option's letter"),
        ({**CODE, "tests": CODE["tests"][:2]}, "code", "tests: List should have at least 3"),
        ({**CODE, "tests": [*CODE["tests"], "import os"]}, "code", "a test must read"),
        ({**CODE, "tests": [*CODE["tests"], "assert double(open('x')) == 1"]}, "code", "a test must read"),
        ({**CODE, "tests": [*CODE["tests"], "assert triple(1) == 3"]}, "code", "a test calls triple"),
        ({**CODE, "entry_point": "a.b"}, "code", "entry_point: String should match"),
        ({**CODE, "question": "Double it (redouble)."}, "code", "does not name the function double"),
        (MATHS, "code", "Field required"),
    ],
)
def test_any_other_reply_is_malformed(value: Any, verifier: VerifierName, why: str) -> None:
    with pytest.raises(DataError) as caught:
        read_reply(reply(value), "algebra", verifier)
    assert why in str(caught.value)


def test_a_cut_reply_is_malformed_even_if_it_reads_whole() -> None:
    with pytest.raises(DataError, match="cut"):
        read_reply(reply(MATHS, "length"), "algebra", "maths")


@given(st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_reply_raises_anything_else(text: str) -> None:
    for verifier in ("maths", "choice", "code"):
        with pytest.raises(DataError):
            read_reply(Text(text, 1, "stop"), "algebra", verifier)  # type: ignore[arg-type]


def test_each_request_shows_its_own_choice_of_examples() -> None:
    rows = [row(n) for n in range(40)]
    made = writing_requests("algebra", "maths", rows, 7, 0, 12)
    assert [r.key for r in made] == [f"algebra/0/{n}" for n in range(12)]
    assert made == writing_requests("algebra", "maths", rows, 7, 0, 12)
    assert made[:5] == writing_requests("algebra", "maths", rows, 7, 0, 5)
    texts = [r.messages[0][1] for r in made]
    assert len(set(texts)) == 12
    assert all(text.count('{"question":"Question ') == EXAMPLES for text in texts)
    assert texts != [r.messages[0][1] for r in writing_requests("algebra", "maths", rows, 7, 1, 12)]
    assert texts != [r.messages[0][1] for r in writing_requests("algebra", "maths", rows, 8, 0, 12)]
    assert (
        writing_requests("algebra", "maths", rows[:2], 7, 0, 1)[0].messages[0][1].count('{"question":"Question ') == 2
    )


def test_examples_are_shown_as_replies_are_wanted() -> None:
    tests = ("assert f(1) == 2", "assert f(2) == 3")
    code = row(1, verifier="code", answer="", question="f(n): add 1.", tests=tests)
    text = writing_prompt("code", "code", [code])
    assert '{"question":"f(n): add 1.","entry_point":"f","tests":["assert f(1) == 2","assert f(2) == 3"]}' in text
    read = code.model_copy(update={"form": "stdin", "tests": ('{"input": "1", "output": "2"}',)})
    assert '{"question":"f(n): add 1."}\n' in writing_prompt("code", "code", [read])
