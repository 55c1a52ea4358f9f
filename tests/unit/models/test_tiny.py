"""The demonstration's tokenizer and model."""

import string
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from vibethinker.config.model import ScratchSettings
from vibethinker.data.generators import TINY, generate
from vibethinker.errors import ConfigError
from vibethinker.models.tiny import tiny_model, tiny_tokenizer

PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " \n"
TOKENIZER: Any = tiny_tokenizer()  # apply_chat_template returns whatever its arguments ask for
SMALL = ScratchSettings(hidden_size=64, layers=1, heads=2, intermediate_size=64)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([*PRINTABLE, "\\boxed{", "return ", "\n```", " red", "<|user|>"]), max_size=60).map(
        "".join
    )
)
def test_decode_inverts_encode(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


def test_characters_outside_ascii_survive_as_bytes() -> None:
    assert TOKENIZER.decode(TOKENIZER("π ≤ é")["input_ids"]) == "π ≤ é"


def test_pieces_are_single_tokens() -> None:
    assert len(TOKENIZER("```python\ndef f(n):\n return n\n```")["input_ids"]) == 4
    assert TOKENIZER.convert_ids_to_tokens(TOKENIZER("12 \\boxed{3}")["input_ids"]) == ["1", "2", " \\boxed{", "3", "}"]


def test_every_word_of_the_demo_is_one_token() -> None:
    letters = set(string.ascii_letters) - set("AIfxgpqn")
    for domain in TINY:
        for problem in islice(generate("tiny", domain, 0, "demo"), 300):
            tokens = TOKENIZER.tokenize(problem.question)
            assert not [t for t in tokens if t in letters], problem.question


def test_chat_template_masks_the_assistant() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Solve 2x + 1 = 7 for x."},
        {"role": "assistant", "content": "\\boxed{3}"},
    ]
    text = TOKENIZER.apply_chat_template(messages, tokenize=False)
    assert text == "<|system|>Be brief.<|user|>Solve 2x + 1 = 7 for x.<|assistant|>\\boxed{3}<|end|>"
    both = TOKENIZER.apply_chat_template(messages, return_assistant_tokens_mask=True, return_dict=True)
    masked = [i for i, m in zip(both["input_ids"], both["assistant_masks"], strict=True) if m]
    assert TOKENIZER.convert_ids_to_tokens(masked) == ["\\boxed{", "3", "}", "<|end|>"]
    prompt = TOKENIZER.apply_chat_template(messages[:2], add_generation_prompt=True, return_dict=True)["input_ids"]
    assert both["input_ids"][: len(prompt)] == prompt and masked == both["input_ids"][len(prompt) :]


def test_chat_template_refuses_other_roles() -> None:
    with pytest.raises(Exception, match="unknown role tool"):
        TOKENIZER.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = tiny_model(SMALL, TOKENIZER, seed=1)
    model.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    tokenizer, again = AutoTokenizer.from_pretrained(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path)
    text = "<|user|>If p = 3 and q = 5, find 2p + 4q.<|assistant|>2*3=6 \\boxed{26}<|end|>\n  x\t~"
    assert tokenizer(text)["input_ids"] == TOKENIZER(text)["input_ids"]
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.chat_template == TOKENIZER.chat_template and tokenizer.padding_side == "left"
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token) == ("<|end|>", "<pad>", "<unk>")
    assert again.generation_config.eos_token_id == again.config.eos_token_id == tokenizer.eos_token_id
    assert again.generation_config.pad_token_id == again.config.pad_token_id == tokenizer.pad_token_id
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    assert torch.equal(model(ids).logits, again(ids).logits)


def test_model_is_tied_seeded_and_leaves_the_global_rng_alone() -> None:
    before = torch.get_rng_state()
    first, same, other = (tiny_model(SMALL, TOKENIZER, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.lm_head.weight is first.model.embed_tokens.weight
    assert {p.dtype for p in first.parameters()} == {torch.float32}
    pairs = list(zip(first.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not torch.equal(pairs[0][0], pairs[0][2])


def test_default_size_is_a_quarter_of_a_million() -> None:
    assert 200_000 < tiny_model(ScratchSettings(), TOKENIZER, seed=0).num_parameters() < 400_000


@pytest.mark.parametrize(("hidden", "heads"), [(96, 4), (100, 3), (96, 1)])
def test_head_widths_that_no_engine_runs_are_refused(hidden: int, heads: int) -> None:
    with pytest.raises(ConfigError, match=r"base\.scratch"):
        tiny_model(ScratchSettings(hidden_size=hidden, heads=heads), TOKENIZER, seed=0)


def test_tokenizer_class_is_a_fast_one() -> None:
    assert isinstance(TOKENIZER, PreTrainedTokenizerFast)
