"""The demonstration's model: a character tokenizer with a few longer pieces, and a small Qwen2 with random weights."""

import torch
from tokenizers import AddedToken, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from vibethinker.config.model import HEAD_WIDTHS, ScratchSettings
from vibethinker.errors import ConfigError

PAD, UNK, USER, ASSISTANT, SYSTEM, END = "<pad>", "<unk>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"

INITIAL_STD = 0.08
"""About 1/sqrt(hidden): with Qwen2's 0.02, meant for widths of thousands, the same loss takes twice the steps."""

PIECES = ("```python\ndef f(n):\n ", "\n```", "\n ", "return ", " \\boxed{", "\\boxed{")
"""What answers are made of besides characters."""

OPENINGS = ("Integrals", "Let", "Mean", "Solve", "Triangle", "Two")
WORDS = (
    "add and area at average bag balls blue by chance door drawing find for from goes holds is make of "
    "minus number perimeter rectangles red return scores sides slope so stays sum that times to wall what with"
).split()
"""Words of the demonstration's questions, one token each (with the space before): a step costs about half."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('unknown role ' + message['role'] + ': use system, user or assistant') }}{% endif %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte a token, except for `PIECES`, `OPENINGS` and `WORDS`; decode(encode(x)) == x for any NFC text.
    The chat template masks the assistant's text and its `<|end|>` (eos)."""
    # Qwen2's own class with no merges: AutoTokenizer forces that class on every qwen2 model, whatever was saved.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2Tokenizer(
        vocab={character: i for i, character in enumerate(alphabet)},
        merges=[],
        pad_token=PAD,
        unk_token=UNK,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, SYSTEM],
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in (*PIECES, *OPENINGS, *(f" {w}" for w in WORDS))])
    return tokenizer


def tiny_config(scratch: ScratchSettings, tokenizer: PreTrainedTokenizerFast) -> Qwen2Config:
    """Qwen2 of the given size, tied embeddings. ConfigError where a head's width is none that vLLM runs."""
    width, rest = divmod(scratch.hidden_size, scratch.heads)
    if rest or width not in HEAD_WIDTHS:
        raise ConfigError(
            f"base.scratch: hidden_size {scratch.hidden_size} over heads {scratch.heads} gives heads of width "
            f"{scratch.hidden_size / scratch.heads:g}; it must be one of {HEAD_WIDTHS}"
        )
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=scratch.hidden_size,
        intermediate_size=scratch.intermediate_size,
        num_hidden_layers=scratch.layers,
        num_attention_heads=scratch.heads,
        num_key_value_heads=scratch.heads,
        max_position_embeddings=scratch.max_length,
        tie_word_embeddings=True,
        initializer_range=INITIAL_STD,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def tiny_model(scratch: ScratchSettings, tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2ForCausalLM:
    """Random float32 weights that `seed` fixes; the global RNG is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(tiny_config(scratch, tokenizer))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model
