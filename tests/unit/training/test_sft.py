"""Rows, epochs and the loss of supervised fine-tuning."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from vibethinker.errors import DataError
from vibethinker.models.packed import packed_row
from vibethinker.records import Problem
from vibethinker.training.batching import Batch
from vibethinker.training.documents import Document, tokenise
from vibethinker.training.sft import SftObjective, count_steps, document_losses, epoch_order, in_units


def test_one_row_per_trace(tokenizer: Any, problems: list[Problem]) -> None:
    rows, too_long = tokenise(problems[:3], tokenizer, {}, "", 64)
    assert (len(rows), too_long) == (6, 0)
    texts = [tokenizer.decode(r.token_ids) for r in rows[:2]]
    assert texts[1] == "<|user|>Solve 2x = 6 for x.<|assistant|>6/2 \\boxed{3}<|end|>"
    learnt = [tokenizer.decode([i for i, m in zip(r.token_ids, r.learnt, strict=True) if m]) for r in rows[:2]]
    assert learnt == ["\\boxed{3}<|end|>", "6/2 \\boxed{3}<|end|>"]


def test_long_rows_are_left_out_and_counted_at_the_exact_length(tokenizer: Any, problems: list[Problem]) -> None:
    rows, _ = tokenise(problems[:1], tokenizer, {}, "", 64)
    short, long = sorted(len(r.token_ids) for r in rows)
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
    objective = SftObjective(fresh(), rows, 4, 4096, seed=2)
    seen = [d for step in range(5) for batch in objective.batches(step) for d in unpacked(batch)]  # two epochs
    assert sorted(d.token_ids for d in seen) == sorted(r.token_ids for r in rows * 2)
    assert set(seen) == set(rows)
    assert objective.units == 10


def unpacked(batch: Batch) -> list[Document]:
    parts = (row[0].split(batch.documents.tolist()) for row in (batch.input_ids, batch.response_mask))
    return [Document(tuple(ids.tolist()), tuple(learnt.tolist())) for ids, learnt in zip(*parts, strict=True)]


def test_packs_are_made_once_and_each_epoch_sees_every_pack_once(
    tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]
) -> None:
    rows, _ = tokenise(problems[:6], tokenizer, {}, "", 64)  # 12 rows
    objective = SftObjective(fresh(), rows, 2, 4096, seed=2, pack_length=70)
    packs = [frozenset(rows[i] for i in unit) for unit in in_units(rows, 70)]
    assert objective.units == len(packs) < 12
    assert count_steps(objective.units, 2, 1, 0) == -(-len(packs) // 2)
    epochs = [[frozenset(objective._unit(e * len(packs) + i)) for i in range(len(packs))] for e in (0, 1)]
    assert [sorted(map(sorted_ids, epoch)) for epoch in epochs] == [sorted(map(sorted_ids, packs))] * 2
    assert epochs[0] != epochs[1]
    step = [d for batch in objective.batches(0) for d in unpacked(batch)]
    assert sorted_ids(step) == sorted_ids([*epochs[0][0], *epochs[0][1]])


def sorted_ids(documents: Iterable[Document]) -> list[tuple[int, ...]]:
    return sorted(d.token_ids for d in documents)


def gradient(model: Any, objective: SftObjective, step: int) -> tuple[float, dict[str, Tensor], int]:
    model.zero_grad()
    batches = objective.batches(step)
    losses = []
    for batch in batches:
        with packed_row(model, batch.documents.tolist()):
            losses.append(objective.loss(batch))
            losses[-1].backward()
    return sum(x.item() for x in losses), {n: p.grad.clone() for n, p in model.named_parameters()}, len(batches)


def test_micro_batches_add_up_to_the_batch(tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]) -> None:
    model = fresh()
    rows, _ = tokenise(problems, tokenizer, {}, "", 64)
    found = {b: gradient(model, SftObjective(model, rows, 10, b, seed=2), 1) for b in (4096, 100, 1)}
    one, more, most = (n for _, _, n in found.values())
    assert one == 1 < more < most == 10
    loss, expected, _ = found[4096]
    for other, gradients, _ in found.values():
        assert other == pytest.approx(loss, rel=1e-6)
        for name, g in gradients.items():
            torch.testing.assert_close(g, expected[name], rtol=2e-5, atol=2e-7, msg=name)


def by_transformers(model: Any, rows: list[Document]) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradient of padded rows with labels, as transformers computes them."""
    model.zero_grad()
    longest = max(len(r.token_ids) for r in rows)
    ids = torch.tensor([r.token_ids + (0,) * (longest - len(r.token_ids)) for r in rows])
    learnt = torch.tensor([r.learnt + (False,) * (longest - len(r.learnt)) for r in rows])
    there = torch.arange(longest) < torch.tensor([[len(r.token_ids)] for r in rows])
    loss = model(input_ids=ids, attention_mask=there.long(), labels=torch.where(learnt, ids, -100)).loss
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in model.named_parameters()}


def test_loss_and_gradient_are_the_mean_over_learnt_tokens_as_transformers_has_them_unpacked(
    tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]
) -> None:
    model = fresh()
    rows, _ = tokenise(problems, tokenizer, {}, "", 64)
    objective = SftObjective(model, rows, 6, 4096, seed=2)
    theirs, expected = by_transformers(model, [d for i in range(6) for d in objective._unit(i)])
    ours, gradients, _ = gradient(model, objective, 0)
    assert ours == pytest.approx(theirs, rel=1e-6)
    for name, g in gradients.items():
        torch.testing.assert_close(g, expected[name], rtol=2e-5, atol=2e-7, msg=name)


def test_earlier_turns_may_be_learnt_too(tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]) -> None:
    """Spans in the middle, and tokens after the last of them."""
    model = fresh()
    (row,) = tokenise(problems[:1], tokenizer, {}, "", 64)[0][:1]
    learnt = tuple(i in (3, 4, 8) for i in range(len(row.token_ids)))
    rows = [Document(row.token_ids, learnt), row]
    ours, gradients, _ = gradient(model, SftObjective(model, rows, 2, 4096, seed=2), 0)
    theirs, expected = by_transformers(model, rows)
    assert ours == pytest.approx(theirs, rel=1e-6)
    for name, g in gradients.items():
        torch.testing.assert_close(g, expected[name], rtol=2e-5, atol=2e-7, msg=name)


def test_a_row_outside_its_context_is_refused(
    tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]
) -> None:
    rows, _ = tokenise(problems[:2], tokenizer, {}, "", 64)
    objective = SftObjective(fresh(), rows, 2, 4096, seed=2)
    with pytest.raises(AssertionError, match="attend to one another"):
        objective.loss(objective.batches(0)[0])


def test_document_losses_are_each_document_s_own_mean(
    tokenizer: Any, problems: list[Problem], fresh: Callable[[], Any]
) -> None:
    model = fresh()
    rows, _ = tokenise(problems, tokenizer, {}, "", 64)
    expected = []
    for row in rows:
        ids, learnt = torch.tensor([row.token_ids]), torch.tensor([row.learnt])
        expected.append(model(input_ids=ids, labels=torch.where(learnt, ids, -100)).loss.item())
    assert len(set(expected)) > 12
    for budget in (4096, 100, 1):
        assert document_losses(model, rows, budget, "float32") == pytest.approx(expected, rel=1e-5)
    lower = document_losses(model, rows, 4096, "bfloat16")
    assert lower == pytest.approx(expected, rel=0.1)
    assert lower != pytest.approx(expected, rel=1e-5)
    assert all(p.grad is None for p in model.parameters())
    assert document_losses(model, [], 100, "float32") == []
