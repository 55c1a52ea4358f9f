"""A model behind an OpenAI-compatible endpoint as a text engine: vLLM's server, SGLang, a hosted API.

Messages go as they are; the server applies its chat template. Requests run on an event loop in a thread of their own that
ends with the generator, so that a generator closed early leaves no thread and no open request behind, and a slow caller
holds new requests back instead of filling memory.
"""

import atexit
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from vibethinker.config.endpoint import EndpointSettings
from vibethinker.errors import ConfigError, EndpointFailed
from vibethinker.rollout.engine import derive_seed
from vibethinker.rollout.text import Batches, Request, Text, TextSampling

if TYPE_CHECKING:  # openai takes a second to import
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

IDLE_SECONDS = 1.0
"""Without news for so long, an empty batch is given, so that the caller may look whether it should stop."""
_SEED_BITS = 31  # what every server takes
_PROBE_TOKENS = 16
_PROBE_SECONDS, _PROBE_RETRIES = 60.0, 2
_SHOWN_CHARACTERS = 500
_NO_KEY = "none"  # the library insists on one
_REFUSALS = (400, 413, 422)
_NO_MODELS_PAGE = (404, 405, 501)


class RequestRefused(EndpointFailed):
    """The endpoint is there, and would not or could not answer this one request."""


Outcome = Text | EndpointFailed


_open: "WeakSet[Generator[list[tuple[int, Outcome]], None, None]]" = WeakSet()


@atexit.register
def _close_open() -> None:
    """A generator that is collected later, while the interpreter ends, would wait forever for its thread."""
    for batches in list(_open):
        with suppress(ValueError):  # one that is being read
            batches.close()


class EndpointEngine:
    """Asks one model at one endpoint. Holds no connection between calls and never the key."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """The model, the client's version and, where the endpoint tells it, what is served under the model's name.

        Raises EndpointFailed where the endpoint is away.
        """
        known = {"engine": "openai-compatible", "model": self.settings.model, "openai": version("openai")}
        served = self._models().get(self.settings.model)
        return known | ({"served": served} if served else {})

    def check(self) -> None:
        """Raises EndpointFailed unless the endpoint lists the model, where it lists any, and answers a short request."""
        s = self.settings
        patience = {"timeout": min(s.timeout, _PROBE_SECONDS), "retries": min(s.retries, _PROBE_RETRIES)}
        quick = EndpointEngine(s.model_copy(update=patience))
        models = quick._models()
        if models and s.model not in models:
            raise EndpointFailed(
                f"{s.base_url} does not serve {s.model!r}; it serves {', '.join(sorted(models))}: "
                "give one of these as the model, or serve it"
            )
        probe = Request("check", 0, (("user", "Say yes."),))
        for _ in quick.generate([probe], TextSampling(_PROBE_TOKENS, temperature=0.0)):
            pass

    def generate(self, requests: Sequence[Request], sampling: TextSampling) -> Batches:
        """As `TextEngine` says; an empty list after each second without news.

        A response whose lengths the server does not tell has `tokens` and `prompt_tokens` 0. Raises EndpointFailed for the
        first request that fails for good, after what was ready before it; the requests under way are then given up.
        """
        with closing(self.attempt(requests, sampling)) as batches:
            for batch in batches:
                ready: list[tuple[int, Text]] = []
                for index, outcome in batch:
                    if isinstance(outcome, EndpointFailed):
                        if ready:
                            yield ready
                        raise outcome
                    ready.append((index, outcome))
                yield ready

    def attempt(
        self, requests: Sequence[Request], sampling: TextSampling
    ) -> Generator[list[tuple[int, Outcome]], None, None]:
        """Like `generate`, but a failure is the outcome of its request, and the others go on until the caller closes."""
        batches = self._attempt(requests, sampling)
        _open.add(batches)
        return batches

    def _attempt(
        self, requests: Sequence[Request], sampling: TextSampling
    ) -> Generator[list[tuple[int, Outcome]], None, None]:
        from anyio import create_memory_object_stream
        from anyio.from_thread import start_blocking_portal

        key = self._key()
        send, receive = create_memory_object_stream[tuple[int, Outcome]](self.settings.concurrency)
        with start_blocking_portal(name="endpoint") as portal:
            serving = portal.start_task_soon(self._serve, key, requests, sampling, send)
            while (batch := portal.call(_ready, receive)) is not None:
                yield batch
            serving.result()

    async def _serve(
        self,
        key: str,
        requests: Sequence[Request],
        sampling: TextSampling,
        send: "MemoryObjectSendStream[tuple[int, Outcome]]",
    ) -> None:
        from anyio import create_task_group
        from openai import AsyncOpenAI

        waiting = iter(enumerate(requests))  # shared by all workers, which take turns on one thread

        async def work() -> None:
            for index, request in waiting:
                await send.send((index, await self._outcome(client, request, sampling)))

        async with send, AsyncOpenAI(**self._connection(key)) as client, create_task_group() as group:
            for _ in range(min(self.settings.concurrency, len(requests))):
                group.start_soon(work)

    async def _outcome(self, client: "AsyncOpenAI", request: Request, sampling: TextSampling) -> Outcome:
        from openai import OpenAIError

        try:
            completion = await client.chat.completions.create(
                model=self.settings.model,
                messages=cast("list[ChatCompletionMessageParam]", _written(request)),
                max_tokens=sampling.max_response_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=derive_seed(sampling.seed, request.key, request.sample) >> (63 - _SEED_BITS),
            )
            return _text(completion)
        except (OpenAIError, ValueError) as error:
            return self._failure(error, f"request {request.key!r}, sample {request.sample}")

    def _models(self) -> dict[str, str]:
        """Model -> what is served under that name; empty where the endpoint has no such page."""
        from openai import APIStatusError, OpenAI, OpenAIError

        try:
            with OpenAI(**self._connection(self._key())) as client:
                listed = client.models.list().data or []
            return {model.id: str(getattr(model, "root", None) or model.id) for model in listed}
        except APIStatusError as error:
            if error.status_code in _NO_MODELS_PAGE:
                return {}
            raise self._failure(error, "list of models") from None
        except OpenAIError as error:
            raise self._failure(error, "list of models") from None
        except (ValueError, AttributeError, TypeError):
            raise EndpointFailed(
                f"{self.settings.base_url}/models gives no list of models; mend base_url (it usually ends with /v1)"
            ) from None

    def _connection(self, key: str) -> dict[str, Any]:
        s = self.settings
        return {"base_url": s.base_url, "api_key": key, "timeout": s.timeout, "max_retries": s.retries}

    def _key(self) -> str:
        key = os.environ.get(self.settings.api_key_env, "").strip()
        if not all("!" <= character <= "~" for character in key):
            raise ConfigError(
                f"the environment variable {self.settings.api_key_env} holds blanks or characters that no key has; "
                "set it to the key alone"
            )
        return key or _NO_KEY

    def _failure(self, error: Exception, what: str) -> EndpointFailed:
        """What happened in words that name the request and never hold the key, which a server may echo."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        s, kind = self.settings, EndpointFailed
        tried = f" ({s.retries + 1} tries)" if s.retries else ""
        match error:
            case APIStatusError():
                words, mend = f"HTTP {error.status_code}: {_server_words(error)}", self._mend(error.status_code)
                kind = RequestRefused if error.status_code in _REFUSALS else EndpointFailed
            case APITimeoutError():
                words = f"no answer within {s.timeout:g} s{tried}"
                mend = "see whether the server is stuck, or raise the endpoint's timeout"
            case APIConnectionError():
                words = f"no connection{tried}: {error.__cause__ or error}"
                mend = "start the server, or mend base_url; the same command then goes on where it was"
            case _:
                words, mend, kind = str(error), "see the server's log", RequestRefused
        key = os.environ.get(s.api_key_env, "").strip()
        told = words.replace(key, "***") if key else words
        return kind(f"{s.base_url}: {what}: {told[:_SHOWN_CHARACTERS]}; {mend}")

    def _mend(self, status: int) -> str:
        if status in (401, 403):
            return f"set the environment variable {self.settings.api_key_env} to a key that may use this model"
        if status == 404:
            return "mend base_url (it usually ends with /v1) or the model's name"
        if status in _REFUSALS:
            return "mend what it names: often the prompt and max_response_tokens exceed the server's context length"
        return "see the server's log; the same command goes on where it was"


async def _ready(
    receive: "MemoryObjectReceiveStream[tuple[int, Outcome]]",
) -> list[tuple[int, Outcome]] | None:
    """All that is there, waiting a while for the first; None when no more will come."""
    from anyio import EndOfStream, WouldBlock, move_on_after

    batch = []
    try:
        with move_on_after(IDLE_SECONDS):
            batch.append(await receive.receive())
        while batch:
            batch.append(receive.receive_nowait())
    except WouldBlock:
        pass
    except EndOfStream:
        return batch or None
    return batch


def _written(request: Request) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in request.messages]


def _text(completion: "ChatCompletion") -> Text:
    """Raises ValueError for what is no whole response; a server's filter and an aborted request are none."""
    try:
        choice, usage = completion.choices[0], completion.usage
        reason, text = choice.finish_reason, _with_thinking(choice.message)
        tokens, prompt_tokens = (int(usage.completion_tokens), int(usage.prompt_tokens)) if usage else (0, 0)
    except (AttributeError, TypeError, LookupError):
        raise ValueError(f"no chat completion: {completion!r}") from None
    if reason not in ("stop", "length"):
        raise ValueError(f"a response that ended with finish_reason {reason!r}")
    # Half a surrogate pair can be written in JSON, but not in a file.
    return Text(text.encode("utf-8", "replace").decode(), tokens, reason, prompt_tokens)


def _with_thinking(message: Any) -> str:
    """The thinking part put back where a server split it off: `reasoning_content`, which newer vLLM calls `reasoning`.

    Without any content the thinking never ended, and stays open. Raises TypeError for content that is no text.
    """
    content = message.content or ""
    if not isinstance(content, str):
        raise TypeError
    thinking = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    if not thinking:
        return content
    return f"<think>{thinking}</think>{content}" if content else f"<think>{thinking}"


def _server_words(error: Any) -> str:
    body = error.body
    told = body.get("message") if isinstance(body, dict) else body
    return str(told or error.message)
