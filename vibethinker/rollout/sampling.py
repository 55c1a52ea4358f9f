"""From logits to tokens: inverse-CDF sampling with uniform numbers that belong to a response, not to its batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vibethinker.rollout.engine import Prompt, Sampling, derive_seed


def draw_uniforms(prompts: Sequence[Prompt], sampling: Sampling) -> Tensor:
    """[T, N] uniform numbers in [0, 1), each row's from its own seed (sampling.seed, prompt, sample).

    N = len(prompts) * sampling.samples, a prompt's samples one after the other; T = sampling.max_response_tokens.
    """
    generator = torch.Generator()
    uniforms = torch.empty(len(prompts) * sampling.samples, sampling.max_response_tokens)
    keys = [
        (prompt.key, sample)
        for prompt in prompts
        for sample in range(sampling.first, sampling.first + sampling.samples)
    ]
    for row, key in zip(uniforms, keys, strict=True):
        generator.manual_seed(derive_seed(sampling.seed, *key))
        torch.rand(sampling.max_response_tokens, generator=generator, out=row)
    return uniforms.T.contiguous()


def choose(logits: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """Tokens [N] and their log-probabilities [N] under the temperature, before top_p.

    Args: logits: [N, V]; uniforms: [N]; temperature: 0 is greedy, with log-probabilities at temperature 1.
    """
    shifted = logits.float() - logits.amax(-1, keepdim=True)
    if temperature == 0:
        tokens = shifted.argmax(-1)
        return tokens, -shifted.exp_().sum(-1).log()
    if temperature != 1:
        shifted /= temperature
    mass = shifted.exp()
    cumulative = (nucleus(mass, top_p) if top_p < 1 else mass).cumsum(-1)
    point = uniforms.unsqueeze(-1) * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, point, right=True).clamp_(max=logits.shape[-1] - 1)
    total = mass.sum(-1) if top_p < 1 else cumulative[:, -1]
    return tokens.squeeze(-1), shifted.gather(-1, tokens).squeeze(-1) - total.log()


def nucleus(mass: Tensor, top_p: float) -> Tensor:
    """Keeps the smallest set of most probable tokens whose share of the mass reaches top_p; the rest become 0. [N, V]."""
    ordered, index = mass.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = torch.where(before < top_p * ordered.sum(-1, keepdim=True), ordered, 0.0)
    return torch.zeros_like(mass).scatter(-1, index, kept)
