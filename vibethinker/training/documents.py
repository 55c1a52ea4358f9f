"""From problems with traces to the token sequences that SFT learns from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from transformers import PreTrainedTokenizerBase

from vibethinker.errors import DataError
from vibethinker.models.chat import conversation, end_of_turn
from vibethinker.models.chat_turns import Written, encode_written, written
from vibethinker.records import Problem

AT_ONCE = 256
"""Texts that the tokenizer gets together: it works on them in parallel, and holds a good deal for each."""


@dataclass(frozen=True)
class Document:
    """One conversation as tokens."""

    token_ids: tuple[int, ...]
    """[L]"""
    learnt: tuple[bool, ...]
    """[L], True on the assistant's tokens: the ones with a loss; never the first."""


def tokenise(
    problems: Sequence[Problem],
    tokenizer: PreTrainedTokenizerBase,
    templates: Mapping[str, str],
    system_prompt: str,
    max_length: int,
) -> tuple[list[Document], int]:
    """One document per trace, and how many were left out: longer than max_length, or not to be written as the model would
    write them, e.g. with the token that ends a turn inside.

    Every turn of the assistant's is learnt, in the form in which the model writes it: where the template rewrites an earlier
    one, that has a document of its own, once per problem. Raises DataError where nothing is left, as where the chat
    template does not fit, with the first reason.
    """
    end = end_of_turn(tokenizer)
    if end is None:
        raise DataError(
            "the chat template writes no special token at the end of a response, so none would be learnt; give the model a "
            "template that does"
        )
    unwritable: list[DataError] = []
    texts = _texts(problems, tokenizer, templates, system_prompt, str(tokenizer.convert_ids_to_tokens(end)), unwritable)
    documents, too_long = [], 0
    while some := list(islice(texts, AT_ONCE)):
        for token_ids, learnt in _encoded(tokenizer, some, end, unwritable):
            if len(token_ids) > max_length:
                too_long += 1
            else:
                documents.append(Document(token_ids, learnt))
    if not documents:
        why = f", {len(unwritable)} that can't be written, the first: {unwritable[0]}" if unwritable else ""
        raise DataError(
            f"no trace to train on: {len(problems)} problems, {too_long} traces longer than max_length {max_length}{why}"
        )
    return documents, too_long + len(unwritable)


def _texts(
    problems: Sequence[Problem],
    tokenizer: PreTrainedTokenizerBase,
    templates: Mapping[str, str],
    system_prompt: str,
    end: str,
    unwritable: list[DataError],
) -> Iterator[Written]:
    """Each problem's conversations, one a trace, and once what only its earlier turns need; adds to `unwritable`."""
    for problem in problems:
        before = conversation(problem, templates, system_prompt)
        first = True
        for trace in problem.traces:
            try:
                whole, *others = written(tokenizer, (*before, ("assistant", trace)), end)
            except DataError as error:
                unwritable.append(DataError(f"problem {problem.id!r}: {error}"))
                continue
            yield whole
            if first:
                yield from others
            first = False


def _encoded(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[Written], end_id: int, unwritable: list[DataError]
) -> list[tuple[tuple[int, ...], tuple[bool, ...]]]:
    """As `encode_written` says, without the texts that it refuses: those are sought by halves, and added to `unwritable`."""
    try:
        return encode_written(tokenizer, texts, end_id)
    except DataError as error:
        if len(texts) == 1:
            unwritable.append(error)
            return []
    half = len(texts) // 2
    return [d for part in (texts[:half], texts[half:]) for d in _encoded(tokenizer, part, end_id, unwritable)]
