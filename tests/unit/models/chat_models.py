"""Chat templates of public models, as TRL ships them, around a small tokenizer that has their special tokens."""

from importlib.resources import files
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How Qwen2.5 cuts a text before it merges bytes."""


def template(name: str) -> str:
    """The template that TRL has under this name, the model's own."""
    pytest.importorskip("trl", reason="TRL is a peer of the dev extra; it ships the models' templates")
    return (files("trl") / "chat_templates" / f"{name}.jinja").read_text()


def byte_tokenizer(chat_template: str, eos: str, special: tuple[str, ...] = CHATML) -> PreTrainedTokenizerFast:
    """Bytes, with merges of spaces and of line breaks, which are what tokens at borders are made of."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ċ", "Ċ"), ("Ġ", "Ġ"), ("h", "i")]
    vocab = {piece: i for i, piece in enumerate([*alphabet, *("".join(pair) for pair in merges)])}
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    found: Any = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=eos,
        additional_special_tokens=[token for token in special if token != eos],
        chat_template=chat_template,
        clean_up_tokenization_spaces=False,
    )
    return found
