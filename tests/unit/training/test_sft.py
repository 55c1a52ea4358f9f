"""Rows, epochs and the loss of supervised fine-tuning."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from vibethinker.errors import DataError
from vibethinker.records import Problem
from vibethinker.training.batching import pad
from vibethinker.training.documents import tokenise
from vibethinker.training.sft import SftObjective, count_steps, epoch_order


def test_one_row_per_trace(tokenizer: Any, problems: list[Problem]) -> None:
    rows, too_long = tokenise(problems[:3], tokenizer, {}, "", 64)
    assert (len(rows), too_long) == (6, 0)
    texts = [tokenizer.decode(r.prompt + r.response) for r in rows[:2]]
    assert texts[1] == "<|user|>Solve 2x = 6 for x.<|assistant|>6/2 \\boxed{3}<|end|>"
    assert rows[0].prompt == rows[1].prompt
    assert {r.weight for r in rows} == {1.0}


def test_long_rows_are_left_out_and_counted_at_the_exact_length(tokenizer: Any, problems: list[Problem]) -> None:
    rows, _ = tokenise(problems[:1], tokenizer, {}, "", 64)
    short, long = sorted(len(r.prompt) + len(r.response) for r in rows)
    assert [len(tokenise(problems[:1], tokenizer, {}, "", n)[0]) for n in (short, long - 1, long)] == [1, 1, 2]
    assert tokenise(problems[:1], tokenizer, {}, "", short)[1] == 1


def test_nothing_to_train_on(tokenizer: Any, problems: list[Problem]) -> None:
    with pytest.raises(DataError, match="24 traces longer than max_length 16"):
        tokenise(problems, tokenizer, {}, "", 16)
    with pytest.raises(DataError, match="12 problems"):
        tokenise([p.model_copy(update={"traces": ()}) for p in problems], tokenizer, {}, "", 64)


@pytest.mark.parametrize(
    "rows, batch, epochs, max_steps, steps",
    [
        (100, 10, 1, 0, 10),
        (101, 10, 1, 0, 11),
        (100, 10, 2.5, 0, 25),
        (100, 10, 5, 7, 7),
        (100, 10, 5, 70, 50),
        (3, 128, 0.1, 0, 1),
    ],
)
def test_count_steps(rows: int, batch: int, epochs: float, max_steps: int, steps: int) -> None:
    assert count_steps(rows, batch, epochs, max_steps) == steps


def test_epochs_are_different_permutations() -> None:
    first, second = epoch_order(50, 3, 0).tolist(), epoch_order(50, 3, 1).tolist()
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert epoch_order(50, 4, 0).tolist() != first


def test_each_epoch_sees_every_row_once_and_a_batch_may_span_two(
    tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]
) -> None:
    rows, _ = tokenise(problems[:5], tokenizer, {}, "", 64)  # 10 rows
    objective = SftObjective(fresh(), rows, 4, 4096, tokenizer.pad_token_id, seed=2)
    seen = []
    for step in range(5):  # 20 rows: two epochs
        for batch in objective.batches(step):
            seen += [tuple(i[m.bool()].tolist()) for i, m in zip(batch.input_ids, batch.attention_mask, strict=True)]
    whole = sorted(r.prompt + r.response for r in rows)
    assert sorted(seen) == sorted(whole * 2)


def gradient(model: Any, objective: SftObjective, step: int) -> tuple[float, dict[str, Tensor], int]:
    model.zero_grad()
    batches = objective.batches(step)
    losses = [objective.loss(b) for b in batches]
    for loss in losses:
        loss.backward()
    return sum(x.item() for x in losses), {n: p.grad.clone() for n, p in model.named_parameters()}, len(batches)


def test_micro_batches_add_up_to_the_batch(tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]) -> None:
    model = fresh()
    rows, _ = tokenise(problems, tokenizer, {}, "", 64)
    found = {}
    for budget in (4096, 100, 1):
        objective = SftObjective(model, rows, 10, budget, tokenizer.pad_token_id, seed=2)
        found[budget] = gradient(model, objective, 1)
    few, more, most = (n for _, _, n in found.values())
    assert few < more < most == 10
    loss, expected, _ = found[4096]
    for other, gradients, _ in found.values():
        assert other == pytest.approx(loss, rel=1e-5)
        for name, g in gradients.items():
            torch.testing.assert_close(g, expected[name], rtol=1e-4, atol=1e-6, msg=name)


def test_loss_is_the_mean_over_response_tokens(
    tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]
) -> None:
    model = fresh()
    rows, _ = tokenise(problems, tokenizer, {}, "", 64)
    objective = SftObjective(model, rows, 6, 4096, tokenizer.pad_token_id, seed=2)
    objective.batches(0)  # its number of response tokens
    batch = pad([objective._row(i) for i in range(6)], tokenizer.pad_token_id, "cpu")
    labels = torch.where(batch.response_mask, batch.input_ids, -100)
    theirs = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels).loss
    assert objective.loss(batch).item() == pytest.approx(theirs.item(), rel=1e-5)
