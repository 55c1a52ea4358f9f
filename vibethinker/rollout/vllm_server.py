"""vLLM as a server in a process of its own: its compilation, threads and crashes stay out of the trainer's process.

The server listens on this machine's loopback address only, on a free port, with vLLM's development endpoints switched on (they
update weights): whoever has an account on the machine can reach it. It ends with this process, however that ends.
"""

import asyncio
import atexit
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import torch
from safetensors.torch import save_file
from torch import Tensor

from vibethinker.config.model import EngineSettings
from vibethinker.errors import ServiceFailed
from vibethinker.rollout.engine import Completion, OnDone, Prompt, Sampling
from vibethinker.rollout.vllm_setting import (
    ENVIRONMENT,
    ROWS,
    START_HINT,
    check_lengths,
    check_weights,
    end_tokens,
    engine_arguments,
    installed_version,
    on_gpu,
    sampling_parameters,
    weight_names,
)
from vibethinker.runs.service import HOST, Service, free_port, serving

START_SECONDS = 900.0
"""To load the model and, on a GPU, to compile."""
HEALTH = "/health"
GENERATE = "/inference/v1/generate"
"""vLLM's endpoint with tokens in and tokens out."""
RESPONSE_SECONDS = 4 * 3600.0
"""Within which one response must be there: a server that hangs must not hold its caller forever."""
CONTROL_SECONDS = 600.0
"""Within which the server must have taken new weights, slept or woken."""
SERVER = {"VLLM_SERVER_DEV_MODE": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
ON_CPU = {"TORCHDYNAMO_DISABLE": "1", "OMP_WAIT_POLICY": "passive", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
"""No compilation of small functions, and cores that are shared with the trainer."""


class VllmServerEngine:
    """Starts the server, and ends it in `close`."""

    def __init__(self, folder: Path, settings: EngineSettings, dtype: str, seed: int, rows: int = ROWS) -> None:
        """Args: as `VllmEngine`. Raises ConfigError as that does, and ServiceFailed where the server does not come up."""
        self._version = installed_version()
        arguments = engine_arguments(folder, settings, dtype, seed, rows)
        self.rows = rows
        self._longest, self._dtype = int(arguments["max_model_len"]), getattr(torch, dtype)
        self._ends, self._names = end_tokens(folder), weight_names(folder)
        self._asleep, self._temperature = False, -1.0
        with ExitStack() as stack:
            self._scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vllm-")))
            handle, log = tempfile.mkstemp(
                prefix="vllm-server-", suffix=".log"
            )  # stays where the server does not come up
            os.close(handle)
            self._service = _service(arguments, free_port(), Path(log))
            stack.enter_context(_started(self._service))
            stack.callback(self._service.log.unlink, missing_ok=True)
            self._url = self._service.health.removesuffix(HEALTH)
            self._held = stack.pop_all()
        atexit.register(self.close)

    @property
    def identity(self) -> Mapping[str, str]:
        return {"engine": "vllm", "vllm": self._version, "torch": version("torch")}

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None = None
    ) -> list[list[Completion]]:
        """As `VllmEngine.generate`; not to be called where an event loop runs. Raises ServiceFailed where the server fails."""
        check_lengths(prompts, sampling, self._longest)
        self._wake()
        if self._temperature != sampling.temperature:
            self._rpc("report_logprobs_under", args=[sampling.temperature])
            self._temperature = sampling.temperature
        return asyncio.run(self._generate(prompts, sampling, on_done))

    def update_weights(self, state: Mapping[str, Tensor]) -> None:
        """Through a file in the system's temporary folder, in the engine's own precision."""
        check_weights(state, self._names)
        self._wake()
        with tempfile.TemporaryDirectory(prefix="weights-", dir=self._scratch) as folder:
            save_file(_separate(state, self._dtype), Path(folder) / "model.safetensors")
            self._rpc("reload_weights", kwargs={"weights_path": folder})
        cleared = self._post("/reset_prefix_cache").json()["success"]
        assert cleared, "vLLM kept key/value blocks of the weights before"

    def sleep(self) -> None:
        """As `VllmEngine.sleep`."""
        if on_gpu() and not self._asleep:
            self._post("/sleep", params={"level": 1})
            self._asleep = True

    def close(self) -> None:
        atexit.unregister(self.close)
        self._held.close()

    async def _generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None
    ) -> list[list[Completion]]:
        limits = httpx.Limits(max_connections=self.rows, max_keepalive_connections=self.rows)
        patience = httpx.Timeout(RESPONSE_SECONDS, pool=None)
        async with httpx.AsyncClient(base_url=self._url, timeout=patience, limits=limits, trust_env=False) as client:

            async def one(index: int, offset: int) -> Completion:
                parameters = sampling_parameters(prompts[index], sampling.first + offset, sampling, self._ends)
                body = {"token_ids": prompts[index].token_ids, "sampling_params": parameters}
                try:
                    completion = _completion(_checked(await client.post(GENERATE, json=body)))
                except httpx.HTTPError as error:
                    raise ServiceFailed(f"vLLM server: {error!r}; {self._log()}") from None
                if on_done:
                    on_done(index, offset, completion)
                return completion

            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        [group.create_task(one(index, offset)) for offset in range(sampling.samples)]
                        for index in range(len(prompts))
                    ]
            except BaseExceptionGroup as errors:  # the others were cancelled, which aborts their requests
                raise errors.exceptions[0] from None
        return [[task.result() for task in row] for row in tasks]

    def _wake(self) -> None:
        if self._asleep:
            self._post("/wake_up")
            self._asleep = False

    def _rpc(self, method: str, args: Sequence[object] = (), kwargs: Mapping[str, object] | None = None) -> None:
        self._post("/collective_rpc", json={"method": method, "args": list(args), "kwargs": dict(kwargs or {})})

    def _post(self, path: str, **arguments: Any) -> httpx.Response:
        try:
            with httpx.Client(base_url=self._url, timeout=CONTROL_SECONDS, trust_env=False) as client:
                return _checked(client.post(path, **arguments))
        except httpx.HTTPError as error:
            raise ServiceFailed(f"vLLM server, {path}: {error!r}; {self._log()}") from None

    def _log(self) -> str:
        lines = self._service.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(["its log ends with:", *lines])


def _service(arguments: Mapping[str, Any], port: int, log: Path) -> Service:
    flags = [flag for name, value in arguments.items() for flag in _flag(name, value)]
    own = [
        "--host",
        HOST,
        "--port",
        str(port),
        "--served-model-name",
        "policy",
        "--disable-uvicorn-access-log",
        "--enable-scale-out",
    ]
    environment = {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()} | SERVER
    if not on_gpu():
        environment |= ON_CPU | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *flags, *own]
    return Service("vLLM server", command, environment, log, f"http://{HOST}:{port}{HEALTH}", start=START_SECONDS)


@contextmanager
def _started(service: Service) -> Iterator[None]:
    """`serving`, with the cause of a failed start: vLLM's last lines only say that there was one."""
    with ExitStack() as stack:
        try:
            stack.enter_context(serving(service))
        except ServiceFailed as error:
            lines = [line for line in service.log.read_text(errors="replace").splitlines() if "Error: " in line]
            cause = lines[0].partition("] ")[2] or lines[0] if lines else "unknown"
            raise ServiceFailed(f"{error}\nfirst error: {cause}\n{START_HINT}") from None
        yield


def _flag(name: str, value: object) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", str(value)]


def _separate(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Tensors on the host, none of which share memory: tied ones are written under each of their names."""
    return {name: tensor.detach().to("cpu", dtype, copy=True).contiguous() for name, tensor in state.items()}


def _checked(response: httpx.Response) -> httpx.Response:
    if response.status_code != 200:
        raise ServiceFailed(f"vLLM server: HTTP {response.status_code}: {response.text[:500]}")
    return response


def _completion(response: httpx.Response) -> Completion:
    (choice,) = response.json()["choices"]
    assert choice["finish_reason"] in ("stop", "length"), f"vLLM ended a response with {choice['finish_reason']!r}"
    logps = tuple(float(position["logprob"]) for position in choice["logprobs"]["content"])
    return Completion(tuple(choice["token_ids"]), logps, choice["finish_reason"])
