"""The rows that travel between stages. Plain frozen models, no behaviour."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

VerifierName = Literal["maths", "choice", "code", "constraints"]
CodeForm = Literal["assert", "script", "stdin", "call"]
VerdictStatus = Literal["correct", "incorrect", "unknown"]
FinishReason = Literal["stop", "length"]
Role = Literal["system", "user", "assistant"]


class Record(BaseModel):
    """Immutable; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Problem(Record):
    """One question with what is needed to grade an answer to it, and correct solutions where known."""

    id: str = Field(min_length=1)
    """Unique within its source, stable across runs: `<source>/<key>`."""
    domain: str = Field(min_length=1)
    """The subdomain an expert is trained for, e.g. `algebra` [A 3.3]."""
    question: str = Field(min_length=1)
    """The text shown to the model, before the benchmark's or profile's prompt template is applied."""
    turns: tuple[tuple[Role, str], ...] = ()
    """What was said before the question, as (role, text): user and assistant in turn, a system prompt first where there is one."""
    verifier: VerifierName
    """Which verifier grades a response."""
    answer: str = ""
    """Gold answer (`maths`), or the right option's letter (`choice`); empty for the others."""
    tests: tuple[str, ...] = ()
    """What a response must pass (`code`, in the form below; `constraints`: one JSON object {"id", "kwargs"} each)."""
    form: CodeForm = "assert"
    """How `tests` of `code` read. assert: `assert name(<literals>) == <literal>` each. script: Python that defines
    `check(candidate)`. stdin: JSON {"input", "output"}, texts. call: JSON {"input": [arguments], "output": value}."""
    entry_point: str = ""
    """What `script` and `call` tests call: `name` or `Solution().name`."""
    prelude: str = ""
    """Trusted Python that runs before the program (`code`): imports, helper classes."""
    traces: tuple[str, ...] = ()
    """Correct responses, several distinct paths where there are several: the spectrum [A 3.1]."""
    source: str = Field(min_length=1)
    """Name of the source it came from, as in the profile."""


class Verdict(Record):
    """What a verifier found. `unknown` only where our own infrastructure failed (never for what a response caused)."""

    status: VerdictStatus
    extracted: str | None = None
    """What was taken from the response as its answer: the last box, or the program."""
    reason: str = ""
    """Why, in a few words; empty where `correct` needs no more."""
    opinions: dict[str, VerdictStatus] = {}
    """What other graders say, by name (`livecodebench`, `judge`, `loose`): recorded apart, never the headline."""


class Sample(Record):
    """One graded response to one problem."""

    problem_id: str
    domain: str
    sample: int
    """Index among the problem's samples, from 0."""
    response: str
    tokens: int
    """Response length in tokens, end-of-sequence included where it was produced."""
    finish_reason: FinishReason
    status: VerdictStatus
    extracted: str | None = None
    reason: str = ""
    opinions: dict[str, VerdictStatus] = {}
