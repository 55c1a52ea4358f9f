"""Samples a model on problems and grades what it says."""

from collections.abc import Callable, Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from vibethinker.config.training import SamplingSettings
from vibethinker.models.chat import encode_prompt
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
    texts = [[tokenizer.decode(c.token_ids, skip_special_tokens=True) for c in group] for group in groups]
    items = [(problem, text) for problem, group in zip(problems, texts, strict=True) for text in group]
    verdicts = iter(grader.grade(items))
    return [
        Sample(
            problem_id=problem.id,
            domain=problem.domain,
            sample=index,
            response=text,
            tokens=len(completion.token_ids),
            finish_reason=completion.finish_reason,
            **next(verdicts).model_dump(),
        )
        for problem, group, group_texts in zip(problems, groups, texts, strict=True)
        for index, (completion, text) in enumerate(zip(group, group_texts, strict=True))
    ]


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
                engine,
                tokenizer,
                grader,
                chosen,
                prompts,
                how,
                seed,
                lambda done, total, v=verifier: progress(v, done, total),
            )
    return samples
