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
    """One document per trace, and how many were left out for being longer than max_length.

    Every turn of the assistant's is learnt, in the form in which the model writes it: where the template rewrites an earlier
    one, that has a document of its own, once per problem. Raises DataError where nothing is left, or where the chat
    template does not fit.
    """
    end = end_of_turn(tokenizer)
    if end is None:
        raise DataError(
            "the chat template writes no special token at the end of a response, so none would be learnt; give the model a "
            "template that does"
        )
    texts = _texts(problems, tokenizer, templates, system_prompt, str(tokenizer.convert_ids_to_tokens(end)))
    documents, too_long = [], 0
    while some := list(islice(texts, AT_ONCE)):
        for token_ids, learnt in encode_written(tokenizer, some, end):
            if len(token_ids) > max_length:
                too_long += 1
            else:
                documents.append(Document(token_ids, learnt))
    if not documents:
        raise DataError(
            f"no trace to train on: {len(problems)} problems, {too_long} traces longer than max_length {max_length}"
        )
    return documents, too_long


def _texts(
    problems: Sequence[Problem],
    tokenizer: PreTrainedTokenizerBase,
    templates: Mapping[str, str],
    system_prompt: str,
    end: str,
) -> Iterator[Written]:
    """Each problem's conversations, one a trace, and once what only its earlier turns need."""
    for problem in problems:
        before = conversation(problem, templates, system_prompt)
        for index, trace in enumerate(problem.traces):
            try:
                whole, *others = written(tokenizer, (*before, ("assistant", trace)), end)
            except DataError as error:
                raise DataError(f"problem {problem.id!r}: {error}") from error
            yield whole
            if index == 0:
                yield from others
