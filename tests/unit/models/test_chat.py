"""From a problem to tokens and back, with the tiny model's own template."""

from typing import Any

import pytest

from tests.unit.models.chat_models import byte_tokenizer, template
from vibethinker.errors import DataError
from vibethinker.models.chat import conversation, decode_responses, encode_prompt, end_of_turn, prompt_text
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


def test_earlier_turns_come_before_the_question(tokenizer: Any) -> None:
    problem = PROBLEM.model_copy(update={"question": "And y?", "turns": (("user", "x?"), ("assistant", "5"))})
    ids = encode_prompt(tokenizer, problem, {"maths": "{question} Box it."}, "Be brief.")
    assert (
        tokenizer.decode(ids) == "<|system|>Be brief.<|user|>x?<|assistant|>5<|end|><|user|>And y? Box it.<|assistant|>"
    )


def test_a_problems_own_system_prompt_goes_before_the_profiles() -> None:
    problem = PROBLEM.model_copy(update={"turns": (("system", "In French."), ("user", "x?"), ("assistant", "5"))})
    assert conversation(problem, {}, "Be brief.") == (*problem.turns, ("user", PROBLEM.question))


def test_a_template_for_another_verifier_is_not_used() -> None:
    assert prompt_text(PROBLEM, {"code": "{question} in Python"}) == PROBLEM.question


def test_question_with_braces_is_filled_in_as_it_stands() -> None:
    problem = PROBLEM.model_copy(update={"question": r"What is $\frac{1}{2}$ of {0}?"})
    assert prompt_text(problem, {"maths": "Q: {question} A:"}) == r"Q: What is $\frac{1}{2}$ of {0}? A:"


@pytest.mark.parametrize("response", [PROBLEM.traces[0], "", "\\boxed{\\frac{1}{2}}", "é ∑ 你好", "  two  spaces \n"])
def test_responses_come_back_without_special_tokens(tokenizer: Any, response: str) -> None:
    ids = tokenizer(response, add_special_tokens=False)["input_ids"]
    assert decode_responses(tokenizer, [[*ids, tokenizer.eos_token_id], ids]) == [response, response]


def test_the_token_that_ends_a_turn_is_the_templates_own(tokenizer: Any) -> None:
    assert end_of_turn(tokenizer) == tokenizer.eos_token_id
    base = byte_tokenizer(template("qwen2_5"), "<|endoftext|>")  # Qwen2.5's base models have this eos
    assert base.convert_ids_to_tokens(end_of_turn(base)) == "<|im_end|>"
    assert base.eos_token == "<|endoftext|>"


def test_a_template_without_an_end_has_none(tokenizer: Any) -> None:
    plain = tiny_tokenizer()
    plain.chat_template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    assert end_of_turn(plain) is None
    plain.chat_template = "{% for m in messages %}{{ '<|user|>' }}{% endfor %}"
    assert end_of_turn(plain) is None
    plain.chat_template = None
    assert end_of_turn(plain) is None


def test_what_the_template_refuses_is_said() -> None:
    gemma = byte_tokenizer(template("gemma"), "<end_of_turn>", ("<start_of_turn>", "<bos>"))
    gemma.bos_token = "<bos>"
    with pytest.raises(DataError, match=r"roles \['system', 'user'\]: System role not supported; change"):
        encode_prompt(gemma, PROBLEM, {}, "Be brief.")
