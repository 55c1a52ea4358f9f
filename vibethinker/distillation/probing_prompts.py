"""How a language model is asked for a probing problem, and how its reply is read [A 3.3]: one JSON object, or it counts as malformed.

The report does not publish its prompt; this one is ours.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vibethinker.data.identity import question_key
from vibethinker.errors import DataError
from vibethinker.records import Problem, VerifierName
from vibethinker.rollout.engine import derive_seed
from vibethinker.rollout.text import Request, Text
from vibethinker.verifiers.code_forms import parse_tests
from vibethinker.verifiers.extraction import after_thinking
from vibethinker.verifiers.grader import check_problem

SOURCE = "probing-set"
"""Source of the written problems."""
EXAMPLES = 4
"""Problems of the domain that each request shows, another choice each time."""
SOLVING: dict[VerifierName, str] = {
    "maths": "{question}\n\nReason step by step and put the final answer in \\boxed{}.",
    "choice": "{question}\n\nReason step by step and put the letter of the right option in \\boxed{}.",
    "code": "{question}\n\nReason step by step and give the whole program in one ```python block at the end.",
}
"""Verifier -> how a solution is asked for where the profile has no template: as the grader wants to find the answer. Its
keys are the verifiers whose problems a model can write."""
_WANTED: dict[VerifierName, str] = {
    "maths": '{"question": "...", "answer": "..."}\nThe answer is a number or an expression in LaTeX, without words or units.',
    "choice": '{"question": "...", "answer": "..."}\nThe options stand in the question, marked A, B, C, D; the answer is a letter.',
    "code": '{"question": "...", "entry_point": "...", "tests": ["...", "...", "..."]}\n'
    "The question names the function and describes it; entry_point is the function's name; there are at least three tests, "
    "each reading `assert name(<literals>) == <literal>`, which cover border cases.",
}
_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n```", re.DOTALL)
_SHOWN_CHARACTERS = 300

Text_ = Annotated[str, Field(min_length=1, max_length=20_000)]


class _Reply(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    question: Text_


class _Answered(_Reply):
    answer: Annotated[str, Field(min_length=1, max_length=500)]


class _Tested(_Reply):
    entry_point: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
    tests: Annotated[list[Text_], Field(min_length=3, max_length=100)]


def writing_requests(
    domain: str, verifier: VerifierName, examples: Sequence[Problem], seed: int, turn: int, count: int
) -> list[Request]:
    """So many requests for one new problem each; which examples each shows depends on (seed, domain, turn, number) alone."""
    found = []
    for number in range(count):
        key = f"{domain}/{turn}/{number}"
        shown = random.Random(derive_seed(seed, "examples", key)).sample(examples, min(EXAMPLES, len(examples)))
        found.append(Request(key, 0, (("user", writing_prompt(domain, verifier, shown)),)))
    return found


def writing_prompt(domain: str, verifier: VerifierName, examples: Sequence[Problem]) -> str:
    """Examples first, then what is wanted."""
    shown = "\n".join(orjson.dumps(_as_written(p)).decode() for p in examples)
    return f"""\
You write problems that test how well a student masters one field: {domain}. Some problems of the field:

{shown}

Write one new problem of the field. It is about as hard as these or a little harder, needs other ideas than they do (do
not just change names or numbers), can be solved from its text alone, and has exactly one right answer. Solve it
yourself before you write the answer down.

Reply with one JSON object and nothing else:
{_WANTED[verifier]}"""


def read_reply(reply: Text, domain: str, verifier: VerifierName) -> Problem:
    """The problem that a reply holds. Raises DataError, saying why, for any reply that is not just as it was asked for."""
    text = after_thinking(reply.text)
    if reply.finish_reason != "stop" or text is None:
        raise DataError("the reply was cut")
    fenced = _FENCED.fullmatch(text.strip())
    try:
        fields = _fields(orjson.loads(fenced.group(1) if fenced else text), verifier)
        key = question_key(fields["question"])
        problem = Problem(id=f"{SOURCE}/{domain}-{key}", domain=domain, verifier=verifier, source=SOURCE, **fields)
    except orjson.JSONDecodeError as error:
        raise DataError(f"no JSON object alone: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise DataError(wrong[:_SHOWN_CHARACTERS]) from None
    _check(problem)
    return problem


def _fields(value: object, verifier: VerifierName) -> Mapping[str, Any]:
    if verifier == "code":
        return {**_Tested.model_validate(value).model_dump(), "form": "assert"}
    return _Answered.model_validate(value).model_dump()


def _check(problem: Problem) -> None:
    """Raises DataError where nothing could be graded against it, or where its tests and its text are about other functions."""
    check_problem(problem)
    if problem.verifier != "code":
        return
    if not re.search(rf"\b{problem.entry_point}\b", problem.question):
        raise DataError(f"the question does not name the function {problem.entry_point}")
    for case in parse_tests(problem.tests):
        if case.call.partition("(")[0] != problem.entry_point:
            raise DataError(f"a test calls {case.call[:_SHOWN_CHARACTERS]}, not {problem.entry_point}")


def _as_written(problem: Problem) -> dict[str, object]:
    """An example in the form that is asked for; code with tests of another form shows its question only."""
    if problem.verifier != "code":
        return {"question": problem.question, "answer": problem.answer}
    if problem.form != "assert":
        return {"question": problem.question}
    name = parse_tests(problem.tests)[0].call.partition("(")[0]
    return {"question": problem.question, "entry_point": name, "tests": list(problem.tests)}
