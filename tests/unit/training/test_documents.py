"""Problems with traces as documents: each trace once, every turn of the assistant's learnt."""

from typing import Any

import pytest

from tests.unit.models.chat_models import byte_tokenizer, template
from vibethinker.errors import DataError
from vibethinker.models.chat import encode_prompt
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.records import Problem
from vibethinker.training.documents import AT_ONCE, Document, tokenise


def problem(number: int, *traces: str, **more: Any) -> Problem:
    rest = {"domain": "algebra", "verifier": "maths", "answer": "4", "source": "t"}
    return Problem.model_validate({"id": f"t/{number}", "question": "a", "traces": traces, **rest, **more})


def own(document: Document, tokenizer: Any) -> str:
    return str(tokenizer.decode([i for i, mine in zip(document.token_ids, document.learnt, strict=True) if mine]))


def test_one_document_a_trace_by_hand() -> None:
    """256 <|end|>, 259 <|user|>, 260 <|assistant|>, 261 <|system|>; letters are bytes."""
    documents, too_long = tokenise(
        [problem(1, "b", "cd"), problem(2)], tiny_tokenizer(), {"maths": "{question}x"}, "S", 16
    )
    start = (261, 50, 259, 64, 87, 260)
    assert documents == [
        Document((*start, 65, 256), (False,) * 6 + (True,) * 2),
        Document((*start, 66, 67, 256), (False,) * 6 + (True,) * 3),
    ]
    assert too_long == 0


def test_long_documents_are_left_out_and_counted_at_the_exact_length() -> None:
    """Of 5 and 6 tokens."""
    one = problem(1, "b", "cd")
    found = {n: tokenise([one], tiny_tokenizer(), {}, "", n) for n in (5, 6)}
    assert {n: (len(documents), too_long) for n, (documents, too_long) in found.items()} == {5: (1, 1), 6: (2, 0)}


def test_what_is_learnt_begins_where_the_rollouts_prompt_ends() -> None:
    tokenizer: Any = tiny_tokenizer()
    talk = problem(1, "e", turns=(("system", "S"), ("user", "b"), ("assistant", "c")), question="d")
    ((document,), _) = tokenise([talk], tokenizer, {}, "not this one", 64)
    assert own(document, tokenizer) == "c<|end|>e<|end|>"
    prompt = encode_prompt(tokenizer, talk, {}, "not this one")
    assert document.token_ids[: len(prompt)] == prompt
    assert (document.learnt[len(prompt) - 1], document.learnt[len(prompt)]) == (False, True)


def test_rewritten_turns_have_a_document_once_a_problem() -> None:
    tokenizer: Any = byte_tokenizer(template("qwen3"), "<|im_end|>")
    empty = "<think>\n\n</think>\n\n"
    talk = problem(1, "d", "e", turns=(("user", "b"), ("assistant", "c")))
    documents, _ = tokenise([talk], tokenizer, {}, "", 512)
    assert [own(d, tokenizer) for d in documents] == [f"{empty}{x}<|im_end|>" for x in ("d", "c", "e")]


def test_more_than_the_tokenizer_gets_at_once() -> None:
    tokenizer: Any = tiny_tokenizer()
    problems = [problem(i, f"trace {i}", question=f"question {i}") for i in range(AT_ONCE + 3)]
    documents, _ = tokenise(problems, tokenizer, {}, "", 64)
    assert [own(d, tokenizer) for d in documents] == [f"trace {i}<|end|>" for i in range(AT_ONCE + 3)]


def test_a_trace_that_holds_the_end_of_a_turn_is_left_out() -> None:
    tokenizer: Any = tiny_tokenizer()
    documents, left_out = tokenise([problem(1, "b"), problem(2, "b<|end|>", "c")], tokenizer, {}, "", 64)
    assert ([own(d, tokenizer) for d in documents], left_out) == (["b<|end|>", "c<|end|>"], 1)


def test_a_trace_that_merges_with_the_prompt_is_left_out() -> None:
    """The generation prompt ends with a line break, and two of them are one token."""
    tokenizer: Any = byte_tokenizer(template("qwen2_5"), "<|endoftext|>")
    problems = [problem(i, "\nb" if i % 5 == 3 else f"b{i}") for i in range(10)]
    documents, left_out = tokenise(problems, tokenizer, {}, "", 512)
    assert [own(d, tokenizer) for d in documents] == [f"b{i}<|im_end|>" for i in range(10) if i % 5 != 3]
    assert left_out == 2


def test_earlier_turns_are_learnt_with_the_first_trace_that_can_be_written() -> None:
    tokenizer: Any = byte_tokenizer(template("qwen3"), "<|im_end|>")
    empty = "<think>\n\n</think>\n\n"
    talk = problem(1, "d<|im_end|>", "e", "f", turns=(("user", "b"), ("assistant", "c")))
    documents, left_out = tokenise([talk], tokenizer, {}, "", 512)
    assert [own(d, tokenizer) for d in documents] == [f"{empty}{x}<|im_end|>" for x in ("e", "c", "f")]
    assert left_out == 1


def test_where_nothing_is_left_the_first_problem_and_its_reason_are_named() -> None:
    with pytest.raises(
        DataError, match=r"1 traces longer .* 2 that .* first: problem 't/2': a response holds '<\|end\|>'"
    ):
        tokenise([problem(i, "b" * 9 if i == 1 else "b<|end|>") for i in (1, 2, 3)], tiny_tokenizer(), {}, "", 8)
    tokenizer: Any = byte_tokenizer(template("qwen2_5"), "<|endoftext|>")
    with pytest.raises(DataError, match="make other tokens together than alone"):
        tokenise([problem(1, "\nb")], tokenizer, {}, "", 512)


def test_a_template_that_fits_no_trace_is_named() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = str(tokenizer.chat_template).replace(
        "'<|assistant|>' }}{% endif %}", "'<|assistant|><think>' }}{% endif %}"
    )
    with pytest.raises(DataError, match=r"does not write the generation prompt .* never sees at inference"):
        tokenise([problem(1, "b", "c"), problem(2, "d")], tokenizer, {}, "", 64)


def test_a_template_without_an_end_is_refused() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endfor %}"
    with pytest.raises(DataError, match="no special token at the end of a response"):
        tokenise([problem(1, "b")], tokenizer, {}, "", 64)
