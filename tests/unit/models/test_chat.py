"""From a problem to tokens and back, with the tiny model's own template."""

from typing import Any

import pytest

from vibethinker.errors import DataError
from vibethinker.models.chat import check_template, decode_responses, encode_prompt, encode_responses, prompt_text
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.records import Problem

PROBLEM = Problem(
    id="t/1",
    domain="algebra",
    question="Solve 3x + 4 = 19 for x.",
    verifier="maths",
    answer="5",
    traces=("19-4=15 15/3=5 \\boxed{5}",),
    source="t",
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


def test_prompt_is_the_template_with_its_generation_prompt(tokenizer: Any) -> None:
    ids = encode_prompt(tokenizer, PROBLEM, {}, "")
    assert tokenizer.decode(ids) == "<|user|>Solve 3x + 4 = 19 for x.<|assistant|>"


def test_system_prompt_and_verifier_template(tokenizer: Any) -> None:
    templates = {"maths": "{question}\nPut the answer in \\boxed{}.", "code": "{question} in Python"}
    ids = encode_prompt(tokenizer, PROBLEM, templates, "Be brief.")
    assert tokenizer.decode(ids) == (
        "<|system|>Be brief.<|user|>Solve 3x + 4 = 19 for x.\nPut the answer in \\boxed{}.<|assistant|>"
    )


def test_a_template_for_another_verifier_is_not_used() -> None:
    assert prompt_text(PROBLEM, {"code": "{question} in Python"}) == PROBLEM.question


def test_question_with_braces_is_filled_in_as_it_stands() -> None:
    problem = PROBLEM.model_copy(update={"question": r"What is $\frac{1}{2}$ of {0}?"})
    assert prompt_text(problem, {"maths": "Q: {question} A:"}) == r"Q: What is $\frac{1}{2}$ of {0}? A:"


@pytest.mark.parametrize("response", [PROBLEM.traces[0], "", "\\boxed{\\frac{1}{2}}", "é ∑ 你好", "  two  spaces \n"])
def test_response_round_trip(tokenizer: Any, response: str) -> None:
    ids = encode_responses(tokenizer, [response])[0]
    assert ids[-1] == tokenizer.eos_token_id
    assert ids.count(tokenizer.eos_token_id) == 1
    assert decode_responses(tokenizer, [ids, ids[:-1]]) == [response, response]


def test_prompt_and_response_are_the_tokens_of_the_whole_conversation(tokenizer: Any) -> None:
    messages = [{"role": "user", "content": PROBLEM.question}, {"role": "assistant", "content": PROBLEM.traces[0]}]
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    joined = encode_prompt(tokenizer, PROBLEM, {}, "") + encode_responses(tokenizer, [PROBLEM.traces[0]])[0]
    assert list(joined) == tokenizer(whole, add_special_tokens=False)["input_ids"]


def test_the_tiny_template_fits(tokenizer: Any) -> None:
    check_template(tokenizer, PROBLEM, "")
    check_template(tokenizer, PROBLEM, "Be brief.")


def test_a_template_that_trains_on_other_text_is_refused() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "'<|assistant|>' }}{% endif %}", "'<|assistant|><think>' }}{% endif %}"
    )
    with pytest.raises(DataError, match="chat template does not write"):
        check_template(tokenizer, PROBLEM, "")
