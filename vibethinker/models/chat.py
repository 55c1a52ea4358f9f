"""From a problem to the tokens a model sees: its own chat template, generation prompt included."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from vibethinker.errors import DataError
from vibethinker.records import Problem

Messages = tuple[tuple[str, str], ...]
"""(role, content); in a prompt the last one is the user's."""


DAY = datetime(2024, 7, 26)
"""What templates that write a date are told: a run that is continued tomorrow must see the same prompts."""


def prompt_text(problem: Problem, templates: Mapping[str, str]) -> str:
    """The last user message: the verifier's template with `{question}` filled in, or the question alone."""
    template = templates.get(problem.verifier)
    return template.replace("{question}", problem.question) if template else problem.question


def conversation(problem: Problem, templates: Mapping[str, str], system_prompt: str) -> Messages:
    """System prompt, if there is one, earlier turns, and user message. A problem's own system prompt goes before the given
    one: its answer may depend on it, and most templates take but one."""
    own = bool(problem.turns) and problem.turns[0][0] == "system"
    system = (("system", system_prompt),) if system_prompt and not own else ()
    return (*system, *problem.turns, ("user", prompt_text(problem, templates)))


def encode_conversation(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> tuple[int, ...]:
    """Token ids of the messages and the generation prompt."""
    text = write(tokenizer, messages, generation_prompt=True)
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, problem: Problem, templates: Mapping[str, str], system_prompt: str
) -> tuple[int, ...]:
    """Token ids of system prompt, earlier turns, user message and generation prompt."""
    return encode_conversation(tokenizer, conversation(problem, templates, system_prompt))


def decode_responses(tokenizer: PreTrainedTokenizerBase, responses: Sequence[Sequence[int]]) -> list[str]:
    """Texts of responses, without special tokens."""
    return list(tokenizer.batch_decode([list(r) for r in responses], skip_special_tokens=True))


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token with which the chat template ends the assistant's turn; None without template, or where it writes none.

    Not always the tokenizer's eos: Qwen2.5's base models have `<|endoftext|>` there, and a template with `<|im_end|>`.
    """
    if not tokenizer.chat_template:
        return None
    mark = "response"
    text = write(tokenizer, (("user", "question"), ("assistant", mark)), generation_prompt=False)
    _, found, after = text.rpartition(mark)
    ids = tokenizer(after.lstrip(), add_special_tokens=False)["input_ids"] if found else []
    added = tokenizer.added_tokens_decoder
    return ids[0] if ids and ids[0] in added and added[ids[0]].special else None


def write(tokenizer: PreTrainedTokenizerBase, messages: Messages, generation_prompt: bool) -> str:
    """The messages as the chat template writes them. Raises DataError where it refuses them."""
    listed = [{"role": role, "content": content} for role, content in messages]
    try:
        return str(
            tokenizer.apply_chat_template(
                listed, tokenize=False, add_generation_prompt=generation_prompt, strftime_now=DAY.strftime
            )
        )
    except TemplateError as error:
        raise DataError(
            f"the chat template refuses a conversation of the roles {[role for role, _ in messages]}: {error}; change the "
            "system prompt or the rows, or give the model another template"
        ) from error
