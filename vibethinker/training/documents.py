"""From problems with traces to the token sequences that SFT learns from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from vibethinker.errors import DataError
from vibethinker.models.chat import check_template, encode_prompt, encode_responses
from vibethinker.records import Problem


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

    Raises DataError where nothing is left, or where the chat template does not fit.
    """
    with_traces = [p for p in problems if p.traces]
    if with_traces:
        check_template(tokenizer, with_traces[0], system_prompt)
    traces = iter(encode_responses(tokenizer, [t for p in with_traces for t in p.traces]))
    documents, too_long = [], 0
    for problem in with_traces:
        prompt = encode_prompt(tokenizer, problem, templates, system_prompt)
        for _ in problem.traces:
            response = next(traces)
            document = Document((*prompt, *response), (False,) * len(prompt) + (True,) * len(response))
            if len(document.token_ids) > max_length:
                too_long += 1
            else:
                documents.append(document)
    if not documents:
        raise DataError(
            f"no trace to train on: {len(problems)} problems, {too_long} traces longer than max_length {max_length}"
        )
    return documents, too_long
