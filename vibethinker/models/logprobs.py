"""Log-probabilities of given tokens, fused with the LM head in tiles: [tokens, vocabulary] is never held, nor its gradient."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel

from vibethinker.errors import ConfigError

TILE_ELEMENTS = {"cpu": 1 << 24}
"""Logits held at once, tokens x columns of the vocabulary, by device: 64 MiB in float32."""
TILE_ELEMENTS_ELSEWHERE = 1 << 26
TILE_ROWS = 2048
"""Tokens of a tile where both have to be cut: enough for a matrix product to be worth reading its weights for."""

RESCALES = ("logits_scaling", "logit_scale", "lm_head_multiplier", "output_multiplier")
"""Config fields of models that multiply or divide the head's output; None or 1 where they don't."""
PROBE_GAP = {torch.float32: 1e-3}
"""Largest difference, in nats, to the model's own log-probs that is rounding, by the weights' type."""
PROBE_GAP_ELSEWHERE = 0.25


def token_logprobs(
    model: PreTrainedModel, input_ids: Tensor, mask: Tensor, temperature: float = 1.0, entropy: bool = True
) -> tuple[Tensor, Tensor]:
    """Log-probability of each token given those before it, and the distribution's entropy (no gradient).

    No attention mask: padding is on the right, where causal attention never looks back from a token. Under no_grad
    nothing is kept, so the same function serves old and reference log-probs. The head's weight gets its gradient as one
    tensor of its size; where .grad holds one already (a further micro-batch), autograd adds them, two for that moment.
    Args: input_ids: [N, L], right-padded; mask: bool [N, L], the tokens wanted (never position 0); entropy: False leaves
    the second result zero and saves a tenth of the head's forward. Returns two float32 [N, L], zero outside mask.
    """
    hidden = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
    wanted = mask[:, 1:]
    head = model.get_output_embeddings()
    found = _LogProbs.apply(  # type: ignore[no-untyped-call]
        hidden[:, :-1][wanted], head.weight, head.bias, input_ids[:, 1:][wanted], temperature, entropy
    )
    shifted = torch.zeros_like(mask)
    shifted[:, 1:] = wanted
    zeros = torch.zeros(input_ids.shape, dtype=torch.float32, device=input_ids.device)
    logps, entropies = (zeros.masked_scatter(shifted, values) for values in found)
    return logps, entropies


def check_head(model: PreTrainedModel) -> None:
    """Raises ConfigError where the model's logits are more than its head's output, which `token_logprobs` takes them for."""
    config = model.config.get_text_config()
    fields = {name: getattr(config, name, None) for name in ("final_logit_softcapping", *RESCALES)}
    for name, value in fields.items():
        if value is not None and not (name in RESCALES and value == 1):
            raise ConfigError(
                f"base.source: the model's config has {name} = {value}, which changes the logits after the LM head; "
                "training can't follow that, take a model without it (e.g. of the Qwen2, Qwen3 or Llama family)"
            )
    ids = torch.arange(1, 5, device=model.device).unsqueeze(0)
    with torch.no_grad():
        expected = model(input_ids=ids, use_cache=False).logits[:, :-1].float().log_softmax(-1)
        found, _ = token_logprobs(model, ids, torch.ones_like(ids, dtype=torch.bool), entropy=False)
    gap = (found[:, 1:] - expected.gather(-1, ids[:, 1:, None]).squeeze(-1)).abs().max().item()
    if not gap <= PROBE_GAP.get(model.dtype, PROBE_GAP_ELSEWHERE):
        raise ConfigError(
            f"base.source: log-probabilities from the model's LM head differ from its own by {gap:.3g} nats: "
            f"{type(model).__name__} does something else than a linear head; take a model of another family"
        )


class _LogProbs(torch.autograd.Function):
    """Forward keeps a few numbers a token; backward makes each tile of logits again and turns it into their gradient.

    Where one tile is all, as with small vocabularies, its probabilities are kept instead: memory is no matter, time is.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        temperature: float,
        entropy: bool,
    ) -> tuple[Tensor, Tensor]:
        """hidden: [T, H], weight: [V, H], bias: [V], targets: [T]. Returns log-probs and entropies, float32 [T]."""
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        rows, columns = _tile(hidden.shape[0], weight.shape[0], kind)
        keep = rows >= hidden.shape[0] and columns >= weight.shape[0] and any(ctx.needs_input_grad)
        chosen, entropies = torch.zeros(2, hidden.shape[0], device=hidden.device).unbind()
        total = torch.full_like(chosen, -torch.inf)
        probabilities = None
        with torch.autocast(kind, enabled=False):
            lowered = hidden.to(dtype)
            for first in range(0, weight.shape[0], columns):
                part = weight[first : first + columns].to(dtype)
                for start in range(0, hidden.shape[0], rows):
                    block = slice(start, start + rows)
                    logits = _logits(lowered[block], part, bias, first, temperature)
                    chosen[block] += _at(logits, targets[block], first)
                    found, within, probabilities = _statistics(logits, entropy, keep)
                    both = torch.logaddexp(total[block], found)
                    if within is not None:
                        before = _share(entropies[block], total[block] - both)
                        entropies[block] = before + _share(within, found - both)
                    total[block] = both
        ctx.save_for_backward(hidden, weight, bias, targets, total, probabilities)
        ctx.settings = (temperature, dtype, rows, columns)
        ctx.mark_non_differentiable(entropies)
        return chosen - total, entropies

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """gradient: [T]. Products are summed in float32, whatever they are made in."""
        hidden, weight, bias, targets, total, probabilities = ctx.saved_tensors
        temperature, dtype, rows, columns = ctx.settings
        to_hidden, to_weight, to_bias = (
            torch.zeros_like(t, dtype=kept) if needed else None
            for t, kept, needed in zip(
                (hidden, weight, bias), (torch.float32, None, None), ctx.needs_input_grad, strict=False
            )
        )
        gradient = (gradient.float() / temperature).unsqueeze(-1)
        with torch.autocast(hidden.device.type, enabled=False):
            lowered = hidden.to(dtype)
            for first in range(0, weight.shape[0], columns):
                part = weight[first : first + columns].to(dtype)
                summed = _summed(to_weight, first, columns)
                for start in range(0, hidden.shape[0], rows):
                    block = slice(start, start + rows)
                    if probabilities is None:
                        tile = _logits(lowered[block], part, bias, first, temperature)
                        tile.sub_(total[block].unsqueeze(-1)).exp_().mul_(-gradient[block])
                    else:
                        tile = probabilities * -gradient
                    _add_at(tile, targets[block], first, gradient[block])
                    if to_bias is not None:
                        to_bias[first : first + columns] += tile.sum(0)
                    tile = tile.to(dtype)
                    if to_hidden is not None:
                        _add_product(to_hidden[block], tile, part)
                    if summed is not None:
                        _add_product(summed, tile.T, lowered[block])
                if to_weight is not None and summed is not None and summed.dtype != to_weight.dtype:
                    to_weight[first : first + columns] = summed
        return to_hidden if to_hidden is None else to_hidden.to(hidden.dtype), to_weight, to_bias, None, None, None


def _tile(tokens: int, vocabulary: int, kind: str) -> tuple[int, int]:
    """Rows and columns of a tile: all where that is within the device's bound, else columns first, then rows."""
    elements = TILE_ELEMENTS.get(kind, TILE_ELEMENTS_ELSEWHERE)
    columns = max(1, min(vocabulary, elements // max(1, min(tokens, TILE_ROWS))))
    return max(1, min(tokens, elements // columns)), columns


def _logits(hidden: Tensor, part: Tensor, bias: Tensor | None, first: int, temperature: float) -> Tensor:
    """float32 [rows, columns] from hidden [rows, H] and the head's columns [columns, H], which begin at `first`."""
    if hidden.dtype == torch.float32 or hidden.device.type != "cuda":
        logits = torch.mm(hidden, part.T).float()
    else:
        logits = torch.mm(hidden, part.T, out_dtype=torch.float32)
    if bias is not None:
        logits += bias[first : first + part.shape[0]]
    return logits if temperature == 1 else logits.div_(temperature)


def _statistics(logits: Tensor, entropy: bool, keep: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Log of the sum of exponentials [rows], entropy [rows] and probabilities, where wanted. Overwrites logits."""
    top = logits.amax(-1, keepdim=True)
    powers = logits.sub_(top).exp()
    total = powers.sum(-1, keepdim=True)
    log_total = total.log()
    within = (log_total - logits.mul_(powers).sum(-1, keepdim=True) / total).squeeze(-1) if entropy else None
    return (top + log_total).squeeze(-1), within, powers.div_(total) if keep else None


def _share(entropies: Tensor, log_weight: Tensor) -> Tensor:
    """What a part of a distribution adds to the whole's entropy: its log-probability and its entropy within, [rows].

    Clamped so that a part of no weight adds 0, not 0 times infinity.
    """
    return log_weight.exp() * (entropies - log_weight.clamp(min=-1e4))


def _at(logits: Tensor, targets: Tensor, first: int) -> Tensor:
    """Each row's logit [rows] at its target, 0 where the target is in another tile."""
    local = targets - first
    inside = (local >= 0) & (local < logits.shape[1])
    return torch.where(inside, logits.gather(1, local.clamp(0, logits.shape[1] - 1).unsqueeze(-1)).squeeze(-1), 0.0)


def _add_at(tile: Tensor, targets: Tensor, first: int, values: Tensor) -> None:
    """Adds values [rows, 1] at each row's target, where that is in this tile."""
    local = (targets - first).unsqueeze(-1)
    inside = (local >= 0) & (local < tile.shape[1])
    tile.scatter_add_(1, local.clamp(0, tile.shape[1] - 1), torch.where(inside, values, 0.0))


def _summed(gradient: Tensor | None, first: int, columns: int) -> Tensor | None:
    """Where the columns' weight gradient is summed: in place, or in float32 aside where the weight has fewer bits."""
    if gradient is None:
        return None
    part = gradient[first : first + columns]
    return part if part.dtype == torch.float32 else torch.zeros_like(part, dtype=torch.float32)


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a b in float32; a product rounded to bfloat16 before it is summed would drift over many tiles."""
    if a.dtype == torch.float32:
        total.addmm_(a, b)
    elif a.device.type == "cuda":
        torch.addmm(total, a, b, out_dtype=torch.float32, out=total)
    else:
        total += a @ b
