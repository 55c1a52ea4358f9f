"""One way from hidden states to the gradient of the loss, in a process of its own: what it adds to the memory.

The body is left out: its output is given, so that nothing of the loss can hide below the body's own peak. Measured is
the highest resident size from the start of the loss's forward to the end of its backward, less the size before, less the
LM head's gradient [V, H], which any way has to make. The gradient of the hidden states counts. Where the peak
comes before the head's gradient exists, as with all logits, less is shown than is taken.
"""

import ctypes
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_outputs import BaseModelOutputWithPast

VOCABULARY, HIDDEN, LAYERS, LENGTH = 151_936, 1_536, 2, 1_024

Step = Callable[[Tensor, Tensor], Tensor]
"""From input_ids [N, 1 + LENGTH] and advantages [N] to the loss; every token but the first has a loss."""


def ours(model: Qwen2ForCausalLM) -> Step:
    from vibethinker.models.logprobs import token_logprobs

    def loss(ids: Tensor, advantages: Tensor) -> Tensor:
        mask = torch.ones_like(ids, dtype=torch.bool)
        mask[:, 0] = False
        logps, _ = token_logprobs(model, ids, mask)
        return _policy_loss(logps[:, 1:], advantages)

    return loss


def trl(model: Qwen2ForCausalLM) -> Step:
    """GRPOTrainer's own loss, as its defaults have it."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from vibethinker.models.tiny import tiny_tokenizer

    arguments = GRPOConfig(
        tempfile.mkdtemp(), use_cpu=True, bf16=False, gradient_checkpointing=False, report_to=[], num_generations=2
    )
    trainer = GRPOTrainer(
        model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": ["a", "b"]}),
        processing_class=tiny_tokenizer(),
    )
    trainer.current_gradient_accumulation_steps = 1

    def loss(ids: Tensor, advantages: Tensor) -> Tensor:
        prompt, completion = ids[:, :1], ids[:, 1:]
        inputs = {"prompt_ids": prompt, "prompt_mask": torch.ones_like(prompt), "advantages": advantages}
        inputs |= {"completion_ids": completion, "completion_mask": torch.ones_like(completion)}
        inputs["num_items_in_batch"] = torch.tensor(completion.numel())
        return trainer._compute_loss(model, inputs)

    return loss


def plain(model: Qwen2ForCausalLM) -> Step:
    """All logits, their log-softmax, and autograd."""

    def loss(ids: Tensor, advantages: Tensor) -> Tensor:
        logps = model(input_ids=ids, use_cache=False).logits[:, :-1].log_softmax(-1)
        return _policy_loss(logps.gather(-1, ids[:, 1:, None]).squeeze(-1), advantages)

    return loss


def _policy_loss(logps: Tensor, advantages: Tensor) -> Tensor:
    """On-policy; logps: [N, LENGTH]. Their mean, as TRL's default has it where all are equally long."""
    return -((logps - logps.detach()).exp() * advantages.unsqueeze(-1)).mean()


def main() -> None:
    """Arguments: variant and tokens. Prints {"bytes", "seconds" of CPU, "loss", norms of the gradients of "hidden" and "head"}."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        intermediate_size=8_960,
        num_attention_heads=12,
        num_key_value_heads=2,
    )
    model = Qwen2ForCausalLM(config)
    step = {"ours": ours, "trl": trl, "plain": plain}[sys.argv[1]](model)
    _measure(model, step, 32)  # libraries have their threads and buffers
    print(json.dumps(_measure(model, step, int(sys.argv[2]))))


def _measure(model: Qwen2ForCausalLM, step: Step, tokens: int) -> dict[str, float]:
    length = min(tokens, LENGTH)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(VOCABULARY, (tokens // length, 1 + length), generator=generator)
    hidden = torch.randn(*ids.shape, HIDDEN, generator=generator).requires_grad_()
    advantages = torch.randn(len(ids), generator=generator)
    model.model.forward = lambda *_, **__: BaseModelOutputWithPast(last_hidden_state=hidden)
    head = model.lm_head.weight
    model.zero_grad()
    before = reset_peak()
    start = time.process_time()
    loss = step(ids, advantages)
    loss.backward()
    seconds = time.process_time() - start
    added = status("VmHWM") - before - head.numel() * head.element_size()
    assert hidden.grad is not None
    assert head.grad is not None
    norms: dict[str, Any] = {"hidden": hidden.grad.norm().item(), "head": head.grad.norm().item()}
    return {"bytes": added, "seconds": seconds, "loss": loss.item()} | norms


def reset_peak() -> int:
    """Gives freed memory back, sets the highest resident size to the present one, and returns that, in bytes."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) * 1024


if __name__ == "__main__":
    main()
