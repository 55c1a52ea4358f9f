"""The model that a suite's stage asks: loaded here, or served elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig, PreTrainedTokenizerBase

from vibethinker.config.endpoint import EndpointSettings
from vibethinker.config.model import EngineSettings
from vibethinker.errors import ConfigError, DataError
from vibethinker.evaluation.cache import digest
from vibethinker.models.chat import conversation, encode_conversation
from vibethinker.records import Problem
from vibethinker.rollout.endpoint import EndpointEngine
from vibethinker.rollout.local import LocalTextEngine
from vibethinker.rollout.text import TextEngine
from vibethinker.runs.spec import StageSpec
from vibethinker.stages.setting import load_engine, prepare_torch


@dataclass(frozen=True)
class SuiteModel:
    """A model that can be asked, and how long its responses may get."""

    engine: TextEngine
    digest: str
    """Of its weights, or of what an endpoint says that it serves."""
    max_response_tokens: int
    """The protocol's; less where the longest prompt leaves less of the model's positions."""
    close: Callable[[], None] = lambda: None
    """Ends what the engine started."""


def served_model(endpoint: EndpointSettings, cap: int | None) -> SuiteModel:
    """Raises EndpointFailed where it is away, ConfigError without a cap: an endpoint does not tell its model's maximum."""
    if cap is None:
        raise ConfigError(
            "protocol.max_response_tokens is not set, and an endpoint does not tell how much its model takes; "
            "give it, e.g. --set protocol.aime25.max_response_tokens=65536"
        )
    engine = EndpointEngine(endpoint)
    engine.check()
    return SuiteModel(engine, digest(dict(engine.identity)).hex(), cap)


def local_model(
    spec: StageSpec,
    folder: Path,
    problems: Sequence[Problem],
    templates: Mapping[str, str],
    system_prompt: str,
    cap: int | None,
) -> SuiteModel:
    """The sealed model of the input `model`, with the portable engine. Raises DataError where a prompt leaves it no room."""
    prepare_torch(spec)
    engine, tokenizer = load_engine(folder, spec.runtime, spec.settings["seed"])
    room = _room(_positions(folder, spec.runtime.engine), tokenizer, problems, templates, system_prompt)
    text = LocalTextEngine(engine, tokenizer, engine.rows, engine.identity)
    return SuiteModel(text, spec.inputs["model"].digest, min(cap or room, room), engine.close)


def _positions(folder: Path, engine: EngineSettings) -> int:
    """Tokens of the longest text that the model takes, or the engine is set up for."""
    positions = int(AutoConfig.from_pretrained(folder).max_position_embeddings)
    return min(engine.max_length or positions, positions) if engine.kind != "transformers" else positions


def _room(
    positions: int,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    templates: Mapping[str, str],
    system_prompt: str,
) -> int:
    """Tokens that the longest prompt leaves of the model's positions."""
    lengths = {p.id: len(encode_conversation(tokenizer, conversation(p, templates, system_prompt))) for p in problems}
    longest = max(lengths, key=lengths.__getitem__)
    if lengths[longest] >= positions:
        raise DataError(
            f"the prompt of {longest} has {lengths[longest]} tokens and the model takes {positions} in all; "
            "leave this benchmark out, or give a model for longer texts"
        )
    return positions - lengths[longest]
