"""A real registry on SQLite with real, very small models in it, for tests of promotion and rollback."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from tasks import promotion
from tasks.promotion import Candidate, promote_version
from tasks.registration import register_version
from vibethinker.config.model import ScratchSettings
from vibethinker.config.profile import PromotionSettings
from vibethinker.config.training import SamplingSettings
from vibethinker.models.checkpoint import save_model
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.promotion.checks import Check
from vibethinker.promotion.copies import model_files
from vibethinker.promotion.gate import Decision
from vibethinker.promotion.measurement import Counts, Measurement
from vibethinker.runs.manifest import Cost, Manifest, describe_files, now

SIZE = ScratchSettings(hidden_size=64, layers=1, heads=2, intermediate_size=64)
SAMPLING = {"maths": {"samples": 8, "max_response_tokens": 44, "temperature": 1.0, "top_p": 1.0}}
RULE = PromotionSettings(sampling={"maths": SamplingSettings(samples=8, max_response_tokens=44)}, floor=0.1)


class Registry:
    """An MLflow store in a folder of its own, and the sealed models that tests put into it."""

    rule = RULE

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        mlflow.set_tracking_uri(self.uri)
        self.client = MlflowClient(self.uri)
        self.experiment = self.client.create_experiment("lab", (folder / "mlartifacts").as_uri())

    def run(self) -> str:
        """A new MLflow run."""
        return str(self.client.create_run(self.experiment).info.run_id)

    def sealed(self, seed: int) -> tuple[Path, Manifest]:
        """A stage's output with a model of these random weights."""
        out = self.folder / f"out-{seed}"
        if not out.exists():
            tokenizer = tiny_tokenizer()
            save_model(out / "model", tiny_model(SIZE, tokenizer, seed), tokenizer)
        return out, manifest_of(out)

    def register(self, name: str, seed: int, run_id: str | None = None) -> str:
        """The version of the model of that seed."""
        out, manifest = self.sealed(seed)
        run_id = run_id or self.run()
        return register_version(self.client, run_id, name, out / "model", manifest, {"pass_at_1": 0.5})

    def candidate(self, version: str, seed: int, correct: int, **changes: object) -> Candidate:
        """A version that got `correct` of 8 on every question, give or take one. changes: of its measurement."""
        measurement = Measurement(set_digest="d" * 64, sampling=SAMPLING, counts=counts(correct))
        return Candidate(
            version,
            measurement.model_copy(update=changes),
            Check(name="measured", passed=True, seen="by hand"),
            model_files(self.sealed(seed)[1]),
        )

    def promote(self, name: str, seed: int, correct: int, run_id: str | None = None, **changes: object) -> Decision:
        """Registers the model of that seed and asks the gate."""
        run_id = run_id or self.run()
        version = self.register(name, seed, run_id)
        return promote_version(self.client, name, self.candidate(version, seed, correct, **changes), RULE, run_id)

    def aliases(self, name: str) -> dict[str, str]:
        """Alias -> version, without the challenger."""
        found = {a: str(v) for a, v in self.client.get_registered_model(name).aliases.items()}
        return {a: v for a, v in found.items() if a != "challenger"}

    def copy_of(self, version: str, name: str, file: str) -> Path:
        """Where the registry keeps a file of a version."""
        model = self.client.get_model_version(name, version).source.removeprefix("models:/")
        return next((self.folder / "mlartifacts").rglob(f"{model}/artifacts/{file}"))


def counts(correct: int) -> Counts:
    """Forty-two questions."""
    return {"algebra": {f"q/{i:02d}": (8, min(8, max(0, correct + i % 3 - 1))) for i in range(42)}}


def manifest_of(out: Path) -> Manifest:
    """What sealing the folder would write."""
    names = [str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()]
    return Manifest(
        node="mgpo-code",
        stage="mgpo",
        version=1,
        fingerprint="f" * 64,
        settings={},
        inputs={},
        files=describe_files(out, names),
        metrics={},
        cost=Cost(device_type="CPU core", devices=1, seconds=1, rate=0.05, attempts=1),
        versions={},
        attempt="attempts/1",
        created=now(),
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """One store for all tests: making it costs seconds. Each test has registered models of its own."""
    return Registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def registry(store: Registry) -> Registry:
    """The store, as the one that MLflow's globals name."""
    mlflow.set_tracking_uri(store.uri)
    return store


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A registered model's name for this test alone."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)


@pytest.fixture
def spared(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Spares the seconds in which a copy generates, where that is not the subject; the folders that would have."""
    seen: list[Path] = []

    def check(folder: Path) -> Check:
        seen.append(folder)
        return Check(name="generates", passed=True, seen="not tried")

    monkeypatch.setattr(promotion, "generates_check", check)
    return seen
