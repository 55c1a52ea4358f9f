"""How fast the machine multiplies matrices of a model's sizes, and what a step's products come to by formula."""

import time

import torch
from spectrum_sft_setting import Setting

REPEATS = 8


def matmul_limit(setting: Setting) -> float:
    """GFLOP/s of float32 products of the step's tokens with one block's weights and the head's, the best time of each."""
    flops = seconds = 0.0
    for rows, columns in _shapes(setting):
        a, b = torch.randn(setting.tokens, columns), torch.randn(rows, columns)
        flops += 2 * setting.tokens * rows * columns
        seconds += min(_timed(a, b) for _ in range(REPEATS))
    return flops / seconds / 1e9


def step_flops(setting: Setting) -> float:
    """The least that a step has to multiply, forward and backward: 6 a weight and token, the head's only for learnt tokens, and
    causal attention inside each document: 12 a layer and pair of tokens, times the heads' width."""
    config = setting.model.config
    body = sum(p.numel() for n, p in setting.model.named_parameters() if ".layers." in n and p.dim() == 2)
    head = config.vocab_size * config.hidden_size
    pairs = sum(len(d.token_ids) ** 2 / 2 for d in setting.documents)
    learnt = sum(sum(d.learnt) for d in setting.documents)
    return 6.0 * (body * setting.tokens + head * learnt) + 12.0 * config.num_hidden_layers * config.hidden_size * pairs


def _shapes(setting: Setting) -> list[tuple[int, int]]:
    """[rows, columns] of one block's weights and of the head's."""
    layer = [p for n, p in setting.model.named_parameters() if ".layers.0." in n and p.dim() == 2]
    return [(w.shape[0], w.shape[1]) for w in (*layer, setting.model.get_output_embeddings().weight)]


def _timed(a: torch.Tensor, b: torch.Tensor) -> float:
    started = time.perf_counter()
    torch.mm(a, b.T)
    return time.perf_counter() - started
