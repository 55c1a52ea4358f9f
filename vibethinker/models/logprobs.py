"""Log-probabilities of given tokens, fused with the LM head in chunks: [tokens, vocabulary] is never held."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

CHUNK_ELEMENTS = 1 << 26
"""Logits held at once, tokens x vocabulary: 256 MiB in float32."""


def _chunk(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    logits = F.linear(hidden, weight, bias).float() / temperature
    logps = torch.log_softmax(logits, -1)
    chosen = logps.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    entropy = -(logps.detach().exp() * logps.detach()).sum(-1)
    return chosen, entropy


def token_logprobs(
    model: PreTrainedModel, input_ids: Tensor, mask: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability of each token given those before it, and the distribution's entropy (no gradient).

    No attention mask: padding is on the right, where causal attention never looks back from a token.
    Args: input_ids: [N, L], right-padded; mask: bool [N, L], the tokens wanted (never position 0). Returns two
    float32 [N, L], zero outside mask.
    """
    hidden = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
    wanted = mask[:, 1:]
    rows, targets = hidden[:, :-1][wanted], input_ids[:, 1:][wanted]
    head = model.get_output_embeddings()
    size = max(1, CHUNK_ELEMENTS // head.weight.shape[0])
    parts = []
    for r, t in zip(rows.split(size), targets.split(size), strict=True):
        if torch.is_grad_enabled() and rows.shape[0] > size:
            parts.append(checkpoint(_chunk, r, head.weight, head.bias, t, temperature, use_reentrant=False))
        else:
            parts.append(_chunk(r, head.weight, head.bias, t, temperature))
    logps = torch.zeros(input_ids.shape, dtype=torch.float32, device=input_ids.device)
    entropies = torch.zeros_like(logps)
    shifted = torch.zeros_like(mask)
    shifted[:, 1:] = wanted
    if parts:
        logps = logps.masked_scatter(shifted, torch.cat([p[0] for p in parts]))
        entropies = entropies.masked_scatter(shifted, torch.cat([p[1] for p in parts]))
    return logps, entropies
