"""Conversations as a model's own chat template writes them, and which of their tokens the assistant's turns are.

A turn is found by rendering what comes before it with the generation prompt: it is what follows, up to and with the token
that ends a turn. So it is for every template. `{% generation %}` marks are not asked: few templates have them, and some
mark what stands around the turn too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from vibethinker.errors import DataError
from vibethinker.models.chat import Messages, write

AROUND = 40
"""Characters shown on either side of a place in a text."""


@dataclass(frozen=True)
class Written:
    """One conversation as text."""

    text: str
    """Up to and with the token that ends the last turn, the assistant's."""
    turns: tuple[tuple[int, int], ...]
    """First character, and the one after the last, of each of the assistant's turns that are to be learnt."""


def written(tokenizer: PreTrainedTokenizerBase, messages: Messages, end: str) -> list[Written]:
    """The conversation, whose last message is the assistant's, as texts in which each of its turns is learnt once.

    Mostly that is one text. Some templates rewrite a turn once another follows, e.g. take its reasoning away: there the
    whole conversation has it as context only, and it is learnt at the end of a further text, the conversation up to it, as
    it stands when the model writes it. `end`: the text of the token that ends a turn. Raises DataError where the template
    does not fit: what would be learnt is not what the model is asked for at inference.
    """
    text, first = _form(tokenizer, messages, end)
    turns: list[tuple[int, int]] = []
    others: list[Written] = []
    for place in [i for i, (role, _) in enumerate(messages[:-1]) if role == "assistant"]:
        form, begins = _form(tokenizer, messages[: place + 1], end)
        if text.startswith(form):
            turns.append((begins, len(form)))
        else:
            others.append(Written(form, ((begins, len(form)),)))
    return [Written(text, (*turns, (first, len(text)))), *others]


def encode_written(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[Written], end_id: int
) -> list[tuple[tuple[int, ...], tuple[bool, ...]]]:
    """Each text's tokens [L], made in one go, and which of them are the assistant's [L], the one that ends a turn included.

    Raises DataError where a prompt's tokens, as the model gets them at inference, are not those that the whole begins with.
    """
    prompts = list(dict.fromkeys(w.text[:first] for w in texts for first, _ in w.turns))
    pieces = [*prompts, *(w.text for w in texts)]
    encoded = tokenizer(pieces, add_special_tokens=False)["input_ids"] if pieces else []
    before = dict(zip(prompts, encoded, strict=False))
    found = []
    for one, ids in zip(texts, encoded[len(prompts) :], strict=True):
        learnt = [False] * len(ids)
        for first, _ in one.turns:
            prompt = before[one.text[:first]]
            if ids[: len(prompt)] != prompt:
                raise DataError(
                    "the end of the prompt and the beginning of the response make other tokens together than alone: "
                    f"{_around(one.text, first)}; take white space from the response's beginning, or give a model whose "
                    "generation prompt ends with a special token or a line break"
                )
            last = ids.index(end_id, len(prompt))
            learnt[len(prompt) : last + 1] = [True] * (last + 1 - len(prompt))
        found.append((tuple(ids), tuple(learnt)))
    return found


def _form(tokenizer: PreTrainedTokenizerBase, messages: Messages, end: str) -> tuple[str, int]:
    """The messages up to and with the token that ends the last, as the template writes them when nothing follows, and where
    the last begins. What comes after its end, e.g. a line break, the model never writes. Raises DataError."""
    prompt = write(tokenizer, messages[:-1], generation_prompt=True)
    whole = write(tokenizer, messages, generation_prompt=False)
    content = messages[-1][1]
    if not whole.startswith(prompt):
        differs = next(i for i, (a, b) in enumerate(zip(prompt, f"{whole}\0", strict=False)) if a != b)
        raise DataError(
            f"the chat template does not write the generation prompt and then the response: {_around(whole, differs)} where the "
            f"prompt has {_around(prompt, differs)}; give the model a template that does (it would be trained on text that it "
            "never sees at inference)"
        )
    if end in content:
        raise DataError(
            f"a response holds {end!r}, which ends a turn: {_around(content, content.index(end))}; take the row out"
        )
    turn, found, _ = whole[len(prompt) :].partition(end)
    if not found or (content not in turn and _words(content) not in _words(turn)):
        raise DataError(
            f"the chat template leaves out part of a response: {content[:AROUND]!r}... becomes {turn[:AROUND]!r}...; give "
            "the model a template that keeps it whole"
        )
    return prompt + turn + end, len(prompt)


def _words(text: str) -> str:
    """Without white space, of which templates add and take some."""
    return "".join(text.split())


def _around(text: str, place: int) -> str:
    return repr(text[max(0, place - AROUND) : place + AROUND])
