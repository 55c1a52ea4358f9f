"""vLLM in the trainer's own process: weights go over by reference, and one GPU serves rollouts and training in turn."""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from vibethinker.config.model import EngineSettings
from vibethinker.errors import ConfigError
from vibethinker.rollout.engine import Completion, OnDone, Prompt, Sampling
from vibethinker.rollout.undisturbed import undisturbed
from vibethinker.rollout.vllm_setting import (
    ROWS,
    START_HINT,
    check_lengths,
    check_weights,
    end_tokens,
    engine_arguments,
    installed_version,
    on_gpu,
    prepare_environment,
    sampling_parameters,
    weight_names,
)

_own_group: "list[VllmEngine]" = []
"""Engines that share a process group which vLLM made, of this process alone; the trainer's own is not theirs to end."""


class VllmEngine:
    """Under torchrun each process has an engine of its own, made by all of them at the same time.

    The random numbers, threads and environment of the process are those it had without the engine.
    """

    def __init__(self, folder: Path, settings: EngineSettings, dtype: str, seed: int, rows: int = ROWS) -> None:
        """Args: folder: the model, in Hugging Face layout; dtype: `float32` or `bfloat16`; rows: sequences decoded together.

        Raises ConfigError where vLLM is not installed or the settings don't fit the model.
        """
        self._version = installed_version()
        arguments = engine_arguments(folder, settings, dtype, seed, rows)
        self.rows = rows
        self._longest = int(arguments["max_model_len"])
        self._ends, self._names = end_tokens(folder), weight_names(folder)
        self._asleep = False
        own_group = bool(_own_group) or not dist.is_initialized()
        self._engine = _start(arguments)
        self._end = self._engine.engine_core._finalizer  # what vLLM would do at exit
        if own_group:
            _own_group.append(self)
        else:
            self._end.detach()

    @property
    def identity(self) -> Mapping[str, str]:
        return {"engine": "vllm", "vllm": self._version, "torch": version("torch")}

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None = None
    ) -> list[list[Completion]]:
        """Each response has a seed and a request of its own. With other responses in the batch its tokens are the same but
        for rounding: sums in another order may turn a near tie. Raises DataError where a prompt is too long."""
        check_lengths(prompts, sampling, self._longest)
        results: list[list[Completion | None]] = [[None] * sampling.samples for _ in prompts]
        with self._working():
            self._call("report_logprobs_under", sampling.temperature)
            self._add(prompts, sampling)
        try:
            for prompt, sample, completion in self._finished():
                results[prompt][sample] = completion
                if on_done:
                    on_done(prompt, sample, completion)
        finally:  # where the caller's function failed
            unfinished = [_name(p, s) for p, row in enumerate(results) for s, c in enumerate(row) if not c]
            self._engine.abort_request(unfinished)
        return [[c for c in row if c] for row in results]

    def update_weights(self, state: Mapping[str, Tensor]) -> None:
        check_weights(state, self._names)
        with self._working():
            self._call("reload_weights", weights_iterator=[(name, tensor.detach()) for name, tensor in state.items()])
            cleared = self._engine.reset_prefix_cache()
            assert cleared, "vLLM kept key/value blocks of the weights before"

    def sleep(self) -> None:
        """On a GPU: weights to the host's memory, the key/value cache given up. A CPU's memory is not given back."""
        if on_gpu() and not self._asleep:
            self._engine.sleep(1)
            self._asleep = True

    def close(self) -> None:
        with undisturbed():
            if _own_group == [self]:
                self._end()  # and with it the process group
            else:
                self._end.detach()
                self._engine.model_executor.shutdown()
        if self in _own_group:
            _own_group.remove(self)

    def _add(self, prompts: Sequence[Prompt], sampling: Sampling) -> None:
        from vllm import SamplingParams
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import RequestOutputKind

        for index, prompt in enumerate(prompts):
            for offset in range(sampling.samples):
                parameters = sampling_parameters(prompt, sampling.first + offset, sampling, self._ends)
                self._engine.add_request(
                    _name(index, offset),
                    tokens_input(list(prompt.token_ids)),
                    SamplingParams(**parameters, output_kind=RequestOutputKind.FINAL_ONLY),
                )

    def _finished(self) -> Iterator[tuple[int, int, Completion]]:
        """(prompt, sample, response), as they end."""
        while self._engine.has_unfinished_requests():
            with self._working():
                outputs = self._engine.step()
            for output in outputs:
                if output.finished:
                    prompt, sample = output.request_id.split("-")
                    yield int(prompt), int(sample), _completion(output.outputs[0])

    def _call(self, method: str, *args: object, **kwargs: object) -> None:
        self._engine.collective_rpc(method, args=args, kwargs=kwargs)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Awake, and leaving the process as it was. On a CPU vLLM would compile one small function, for seconds."""
        with undisturbed(), nullcontext() if on_gpu() else torch.compiler.set_stance("force_eager"):
            if self._asleep:
                self._engine.wake_up()
                self._asleep = False
            yield


def _start(arguments: Mapping[str, Any]) -> Any:
    prepare_environment()
    with undisturbed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        from vllm import EngineArgs, LLMEngine

        # Where the trainer has met other processes, vLLM joins their group instead of making one, and takes its own device.
        backend = "external_launcher" if dist.is_initialized() and dist.get_world_size() > 1 else None
        grouped = dist.is_initialized()
        try:
            return LLMEngine.from_engine_args(EngineArgs(**arguments, distributed_executor_backend=backend))
        except ValueError as error:
            if not grouped:
                _end_group()
            raise ConfigError(
                f"compute.engine: vLLM does not start with {arguments['model']}: {error}\n{START_HINT}"
            ) from error


def _end_group() -> None:
    """Of an engine that did not start: the next one, or a trainer, makes its own."""
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

    cleanup_dist_env_and_memory()


def _name(prompt: int, sample: int) -> str:
    return f"{prompt}-{sample}"


def _completion(output: Any) -> Completion:
    assert output.finish_reason in ("stop", "length"), f"vLLM ended a response with {output.finish_reason!r}"
    logps = tuple(output.logprobs.logprobs)
    assert len(logps) == len(output.token_ids)
    return Completion(tuple(output.token_ids), logps, output.finish_reason)
