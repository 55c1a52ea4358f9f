"""Samples a model on problems and grades what it says."""

import functools
from collections.abc import Callable, Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from vibethinker.config.training import SamplingSettings
from vibethinker.models.chat import decode_responses, encode_prompt
from vibethinker.records import Problem, Sample
from vibethinker.rollout.engine import Engine, Progress, Prompt, Sampling
from vibethinker.verifiers.grader import Grader


def sample_and_grade(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    grader: Grader,
    problems: Sequence[Problem],
    prompts: Sequence[Prompt],
    sampling: SamplingSettings,
    seed: int,
    progress: Progress | None = None,
) -> list[Sample]:
    """sampling.samples graded responses per problem, in the problems' order."""
    how = Sampling(sampling.samples, sampling.max_response_tokens, sampling.temperature, sampling.top_p, seed)
    groups = engine.generate(prompts, how, progress)
    texts = decode_responses(tokenizer, [c.token_ids for group in groups for c in group])
    asked = [problem for problem, group in zip(problems, groups, strict=True) for _ in group]
    graded = iter(zip(texts, grader.grade(list(zip(asked, texts, strict=True))), strict=True))
    samples = []
    for problem, group in zip(problems, groups, strict=True):
        for index, completion in enumerate(group):
            text, verdict = next(graded)
            samples.append(
                Sample(
                    problem_id=problem.id,
                    domain=problem.domain,
                    sample=index,
                    response=text,
                    tokens=len(completion.token_ids),
                    finish_reason=completion.finish_reason,
                    **verdict.model_dump(),
                )
            )
    return samples


def encode_problems(
    tokenizer: PreTrainedTokenizerBase, problems: Sequence[Problem], templates: Mapping[str, str], system_prompt: str
) -> list[Prompt]:
    """Tokenised prompts, keyed by problem id."""
    return [Prompt(p.id, encode_prompt(tokenizer, p, templates, system_prompt)) for p in problems]


def evaluate(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    grader: Grader,
    problems: Sequence[Problem],
    templates: Mapping[str, str],
    system_prompt: str,
    sampling: Mapping[str, SamplingSettings],
    seed: int,
    progress: Callable[[str, int, int], None],
) -> list[Sample]:
    """All problems, each sampled as its verifier's protocol says."""
    samples: list[Sample] = []
    for verifier, how in sampling.items():
        chosen = [p for p in problems if p.verifier == verifier]
        if chosen:
            prompts = encode_problems(tokenizer, chosen, templates, system_prompt)
            samples += sample_and_grade(
                engine, tokenizer, grader, chosen, prompts, how, seed, functools.partial(progress, verifier)
            )
    return samples
