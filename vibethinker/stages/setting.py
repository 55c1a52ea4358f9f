"""What training and benchmark stages share: the model, its tokenizer, an engine and a grader, as the spec says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.runner import Runner
from vibethinker.models.checkpoint import eos_ids, load_model, load_tokenizer
from vibethinker.rollout.engine import Engine
from vibethinker.rollout.local import LocalTextEngine
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.rollout.vllm_setting import longest
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.training.parallel import world
from vibethinker.verifiers.grader import Grader, GraderSettings

ROWS_BY_PARAMETERS = ((10_000_000, 512), (500_000_000, 64))
"""Parameters up to which so many sequences are decoded together; larger models decode 32."""
GRADERS = 2
"""Programs graded at once, at least: they run while the model waits."""


@dataclass(frozen=True)
class Setting:
    """A model ready to generate and to be graded."""

    folder: Path
    """Of the model, in Hugging Face layout."""
    device: str
    precision: str
    tokenizer: PreTrainedTokenizerBase
    engine: Engine
    grader: Grader
    grading: GraderSettings
    graders: int
    """Responses graded at once."""
    templates: dict[str, str]
    system_prompt: str
    seed: int

    @cached_property
    def model(self) -> PreTrainedModel:
        """The model to train: the engine's own where it is in this process's hands, or else a second copy."""
        return self.engine.model if isinstance(self.engine, TransformersEngine) else self.reference()

    def reference(self) -> PreTrainedModel:
        """The model as it is in the folder."""
        return load_model(self.folder, self.device)

    def runner(self, cache: SampleCache, check: Callable[[], None] = lambda: None) -> Runner:
        """Samples from the engine's weights and grades what they say."""
        engine = LocalTextEngine(self.engine, self.tokenizer, self.engine.rows, self.engine.identity)
        return Runner(engine, self.grader, cache, self.templates, self.system_prompt, check)

    @property
    def pad_id(self) -> int:
        """Padding token."""
        return int(self.tokenizer.pad_token_id)


def device_of(runtime: Runtime) -> str:
    """Where this process's tensors live."""
    return f"cuda:{world().rank}" if runtime.device == "cuda" and world().count > 1 else runtime.device


def prepare_torch(spec: StageSpec) -> None:
    """Threads as the launcher gave them, deterministic kernels."""
    torch.set_num_threads(max(1, spec.runtime.threads // world().count))
    torch.use_deterministic_algorithms(True, warn_only=True)


def load_engine(folder: Path, runtime: Runtime, seed: int) -> tuple[Engine, PreTrainedTokenizerBase]:
    """The model in `folder` with the engine that the runtime names. Raises ConfigError where that is not installed."""
    tokenizer, device = load_tokenizer(folder), device_of(runtime)
    if runtime.engine.kind == "vllm":
        from vibethinker.rollout.vllm_engine import VllmEngine

        return VllmEngine(folder, runtime.engine, runtime.precision, seed), tokenizer
    if runtime.engine.kind == "vllm-server":
        from vibethinker.rollout.vllm_server import VllmServerEngine

        return VllmServerEngine(folder, runtime.engine, runtime.precision, seed), tokenizer
    model = load_model(folder, device)
    parameters = sum(p.numel() for p in model.parameters())
    rows = next((rows for bound, rows in ROWS_BY_PARAMETERS if parameters <= bound), 32)
    return TransformersEngine(model, eos_ids(model, tokenizer), int(tokenizer.pad_token_id), rows), tokenizer


def longest_of(folder: Path, runtime: Runtime) -> int | None:
    """Tokens of a prompt and its response together beyond which the engine of `load_engine` refuses both; None: it never does."""
    return None if runtime.engine.kind == "transformers" else longest(folder, runtime.engine)


@contextmanager
def open_setting(spec: StageSpec, folder: Path) -> Iterator[Setting]:
    """Loads the model in `folder`; engine and graders end with the block."""
    prepare_torch(spec)
    seed, chat = spec.settings["seed"], spec.settings["chat"]
    engine, tokenizer = load_engine(folder, spec.runtime, seed)
    grading = GraderSettings.model_validate(spec.settings["grading"])
    graders = max(GRADERS, spec.runtime.threads // world().count)
    try:
        with Grader(grading, graders) as grader:
            yield Setting(
                folder=folder,
                device=device_of(spec.runtime),
                precision=spec.runtime.precision,
                tokenizer=tokenizer,
                engine=engine,
                grader=grader,
                grading=grading,
                graders=graders,
                templates=chat["prompt"],
                system_prompt=chat["system_prompt"],
                seed=seed,
            )
    finally:
        engine.close()
