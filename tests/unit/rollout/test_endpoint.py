"""The endpoint engine against a real HTTP server on this machine."""

import asyncio
import json
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from pydantic import ValidationError

from tests.chat_server import ChatServer, Fault, Messages, Raw, Reply, Status
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.errors import ConfigError, EndpointFailed
from vibethinker.rollout import endpoint
from vibethinker.rollout.endpoint import EndpointEngine, RequestRefused
from vibethinker.rollout.text import Request, Text, TextSampling
from vibethinker.verifiers.extraction import extract_answer

SAMPLING = TextSampling(max_response_tokens=33, temperature=0.6, top_p=0.95, seed=5)


def echo(messages: Messages) -> str:
    return f"<{messages[-1]['content']}>"


def engine(server: ChatServer, **settings: Any) -> EndpointEngine:
    return EndpointEngine(
        EndpointSettings(**{"base_url": server.url, "model": "served", "timeout": 20, "retries": 2, **settings})
    )


def requests(number: int) -> list[Request]:
    return [Request(f"p{i}", 0, (("user", f"q{i}"),)) for i in range(number)]


def answers(model: EndpointEngine, wanted: Sequence[Request], sampling: TextSampling = SAMPLING) -> dict[int, Text]:
    pairs = [pair for batch in model.generate(wanted, sampling) for pair in batch]
    assert max(Counter(index for index, _ in pairs).values(), default=1) == 1
    return dict(pairs)


def one(outcome: str | Reply | Fault, **settings: Any) -> Text:
    with ChatServer(lambda _: outcome) as server:
        return answers(engine(server, **settings), requests(1))[0]


def completed(message: dict[str, Any]) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "endpoint"]


def test_each_request_has_its_answer_once() -> None:
    with ChatServer(echo) as server:
        found = answers(engine(server, concurrency=8), requests(60))
    assert found == {i: Text(f"<q{i}>", 7, "stop", 1) for i in range(60)}
    assert not threads()


def test_nothing_asked_nothing_answered() -> None:
    with ChatServer(echo) as server:
        assert answers(engine(server), []) == {}
        assert server.requests == []


def test_what_is_sent() -> None:
    asked = Request("p", 3, (("system", "Be brief."), ("user", "1 + 1 = ?")))
    with ChatServer(echo) as server:
        answers(engine(server), [asked])
    (body,) = server.requests
    assert body.pop("seed") < 2**31
    assert body == {
        "model": "served",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1 = ?"}],
        "max_tokens": 33,
        "temperature": 0.6,
        "top_p": 0.95,
    }


def test_each_sample_has_its_own_seed_whatever_is_asked_beside_it() -> None:
    samples = [Request(key, sample, (("user", f"{key}{sample}"),)) for key in "ab" for sample in range(3)]
    with ChatServer(echo) as server:
        answers(engine(server), samples)
        seeds = {body["messages"][0]["content"]: body["seed"] for body in server.requests}
        server.requests.clear()
        answers(engine(server), samples[4:5])
        assert server.requests[0]["seed"] == seeds["b1"]
        answers(engine(server), samples[4:5], TextSampling(33, seed=6))
        assert server.requests[1]["seed"] != seeds["b1"]
    assert len(set(seeds.values())) == 6


@pytest.mark.parametrize(
    "reply, text",
    [
        (Reply("4", finish_reason="length", tokens=33), Text("4", 33, "length", 1)),
        (Reply("4", tokens=None), Text("4", 0, "stop")),
        (Reply(None), Text("", 7, "stop", 1)),
        (Reply(r"\boxed{4}", reasoning="2 + 2"), Text(r"<think>2 + 2</think>\boxed{4}", 7, "stop", 1)),
        (Reply("4", reasoning="2 + 2", reasoning_field="reasoning"), Text("<think>2 + 2</think>4", 7, "stop", 1)),
        (Reply("half \ud83d of a pair"), Text("half ? of a pair", 7, "stop", 1)),
    ],
)
def test_what_a_reply_becomes(reply: Reply, text: Text) -> None:
    assert one(reply) == text


def test_thinking_that_was_cut_gives_no_answer() -> None:
    text = one(Reply(None, reasoning=r"so \boxed{4}, or is it", finish_reason="length")).text
    assert extract_answer(text).problem == "thinking part never ends"


@pytest.mark.parametrize("fault", [Status(500), Status(429), Status(503), Status(408), "close"])
def test_tries_again(fault: Fault) -> None:
    with ChatServer(echo) as server:
        server.faults.extend([fault, fault])
        assert answers(engine(server), requests(1))[0].text == "<q0>"
        assert len(server.requests) == 3


def test_a_hanging_request_is_given_up_and_asked_again() -> None:
    with ChatServer(echo) as server:
        server.faults.append("hang")
        assert answers(engine(server, timeout=0.3), requests(1))[0].text == "<q0>"
        server.wait_until(lambda s: s.abandoned == 1)


@pytest.mark.parametrize(
    "fault, words",
    [
        (Status(503, "overloaded"), "HTTP 503: overloaded; see the server's log"),
        (Status(429, "quota is spent"), "HTTP 429: quota is spent"),
        ("close", "no connection (2 tries)"),
        ("hang", "no answer within 0.2 s (2 tries); see whether the server is stuck"),
    ],
)
def test_gives_up_after_the_last_try(fault: Fault, words: str) -> None:
    with ChatServer(lambda _: fault) as server:
        with pytest.raises(EndpointFailed) as caught:
            answers(engine(server, retries=1, timeout=0.2 if fault == "hang" else 20), requests(1))
        assert f"{server.url}: request 'p0', sample 0: {words}" in str(caught.value)
        assert not isinstance(caught.value, RequestRefused)
        assert len(server.requests) == 2
    assert not threads()


@pytest.mark.parametrize(
    "outcome, words",
    [
        (Status(400, "This model's maximum context length is 4096 tokens."), "HTTP 400: This model's maximum context"),
        (Status(422, "no such role"), "HTTP 422: no such role"),
        (Raw(b'{"error": {"message": "upstream is busy"}}'), "upstream is busy"),
        (Raw(b"<html>Welcome</html>", "text/html"), "no chat completion: '<html>Welcome"),
        (Raw(b'{"choices": [{"mess'), "sample 0"),
        (Raw(b'{"choices": 5}'), "sample 0"),
        (Raw(b'{"choices": [{"index": 0, "finish_reason": "stop"}]}'), "no chat completion"),
        (Raw(completed({"content": [{"type": "text", "text": "4"}]})), "no chat completion"),
        (Reply("", finish_reason="content_filter"), "finish_reason 'content_filter'"),
        (Reply("half", finish_reason="abort"), "finish_reason 'abort'"),
        (Reply("half", finish_reason=None), "finish_reason None"),
    ],
)
def test_what_is_no_response_is_an_error_and_not_tried_again(outcome: Reply | Fault, words: str) -> None:
    with ChatServer(lambda _: outcome) as server:
        with pytest.raises(RequestRefused) as caught:
            answers(engine(server), requests(1))
        assert "request 'p0', sample 0: " in str(caught.value) and words in str(caught.value)
        assert len(server.requests) == 1


def test_what_was_ready_before_a_failure_is_kept_and_nothing_is_asked_after_it() -> None:
    def answer(messages: Messages) -> str | Fault:
        return Status(400, "poison") if messages[0]["content"] == "q5" else echo(messages)

    kept: list[tuple[int, Text]] = []
    with ChatServer(answer) as server:
        with pytest.raises(RequestRefused, match=r"'p5'.*poison"):
            for batch in engine(server, concurrency=1).generate(requests(50), SAMPLING):
                kept += batch
        assert [index for index, _ in kept] == [0, 1, 2, 3, 4]
        assert len(server.requests) < 10


def test_an_endpoint_that_goes_away_for_good() -> None:
    numbers = count()

    def answer(messages: Messages) -> str | Fault:
        if next(numbers) == 3:
            threading.Thread(target=server.stop).start()
            server.closing.wait()
            return "close"
        return echo(messages)

    kept: list[tuple[int, Text]] = []
    with ChatServer(answer) as server, pytest.raises(EndpointFailed, match="no connection"):
        for batch in engine(server, concurrency=1, retries=1).generate(requests(9), SAMPLING):
            kept += batch
    assert [index for index, _ in kept] == [0, 1, 2]
    assert not threads()


def test_failures_of_single_requests_can_be_outcomes() -> None:
    def answer(messages: Messages) -> str | Fault:
        return Status(400, "poison") if messages[0]["content"] == "q1" else echo(messages)

    with ChatServer(answer) as server:
        found = dict(pair for batch in engine(server).attempt(requests(4), SAMPLING) for pair in batch)
    assert isinstance(found.pop(1), RequestRefused)
    assert {i: t.text for i, t in found.items() if isinstance(t, Text)} == {0: "<q0>", 2: "<q2>", 3: "<q3>"}


def test_as_many_requests_at_once_as_set_and_no_more() -> None:
    def answer(messages: Messages) -> str:
        time.sleep(0.03)
        return echo(messages)

    with ChatServer(answer) as server:
        answers(engine(server, concurrency=5), requests(30))
        assert server.most_open == 5


def test_a_slow_caller_holds_new_requests_back() -> None:
    with ChatServer(echo) as server:
        batches = engine(server, concurrency=4).generate(requests(200), SAMPLING)
        taken = len(next(batches))
        time.sleep(0.5)
        assert len(server.requests) <= taken + 4 + 4  # what waits to be taken, and one more by each worker
        rest = sum(len(batch) for batch in batches)
    assert taken + rest == 200


def test_closed_early_leaves_no_thread_and_no_open_request() -> None:
    with ChatServer(echo) as server:
        server.faults.extend(["hang"] * 4)
        batches = engine(server, concurrency=4).generate(requests(20), SAMPLING)
        before = time.monotonic()
        assert next(batches) == []
        server.wait_until(lambda s: s.open == 4)
        batches.close()
        assert time.monotonic() - before < 5
        assert not threads()
        server.wait_until(lambda s: s.abandoned == 4 and s.open == 0)
        assert len(server.requests) == 4


def test_a_process_ends_though_it_left_requests_open() -> None:
    code = """
import sys
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.rollout.endpoint import EndpointEngine
from vibethinker.rollout.text import Request, TextSampling
batches = EndpointEngine(EndpointSettings(base_url=sys.argv[1], model="served")).generate(
    [Request("p", i, (("user", "q"),)) for i in range(3)], TextSampling(9)
)
print(next(batches), flush=True)
"""
    with ChatServer(lambda _: "hang") as server:
        done = subprocess.run(
            [sys.executable, "-c", code, server.url], check=True, timeout=60, capture_output=True, text=True
        )
        assert done.stdout == "[]\n" and not done.stderr
        server.wait_until(lambda s: s.abandoned == 3)


def test_news_comes_in_time_while_some_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "IDLE_SECONDS", 0.05)
    with ChatServer(lambda m: "hang" if m[0]["content"] == "q0" else echo(m)) as server:
        batches = engine(server, concurrency=2).generate(requests(5), SAMPLING)
        found: list[int] = []
        while len(found) < 4:
            found += [index for index, _ in next(batches)]
        assert sorted(found) == [1, 2, 3, 4]
        assert next(batches) == []
        batches.close()


def test_no_answer_is_lost_where_waiting_ends_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "IDLE_SECONDS", 0.0005)
    with ChatServer(echo) as server:
        assert len(answers(engine(server, concurrency=3), requests(150))) == 150


def test_works_inside_a_running_event_loop() -> None:
    async def caller() -> dict[int, Text]:
        return answers(engine(server), requests(2))

    with ChatServer(echo) as server:
        assert len(asyncio.run(caller())) == 2


class TestKey:
    """A key comes from the environment and stays out of everything that is written."""

    def test_it_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_KEY", " sk-secret\n")
        with ChatServer(echo, key="sk-secret") as server:
            model = engine(server, api_key_env="MY_KEY")
            model.check()
            answers(model, requests(1))
        assert server.headers[-1]["authorization"] == "Bearer sk-secret"
        assert "sk-secret" not in f"{model.settings!r} {vars(model)} {model.settings.model_dump()}"

    @pytest.mark.parametrize("words", [40 * "-", 490 * "-"])
    def test_a_server_that_repeats_it(self, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
        monkeypatch.setenv("MY_KEY", "sk-wrong")
        refusal = Status(401, f"{words} sk-wrong is no key")
        with ChatServer(lambda _: refusal) as server, pytest.raises(EndpointFailed) as caught:
            answers(engine(server, api_key_env="MY_KEY"), requests(1))
        shown = "".join(traceback.format_exception(caught.value))
        assert "sk-" not in shown and "set the environment variable MY_KEY" in shown

    def test_a_wrong_one_is_found_by_the_check(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
        with ChatServer(echo, key="sk-right") as server, pytest.raises(EndpointFailed) as caught:
            engine(server).check()
        shown = "".join(traceback.format_exception(caught.value))
        assert "sk-wrong" not in shown and "set the environment variable OPENAI_API_KEY" in shown

    def test_none_is_needed_where_the_server_asks_for_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with ChatServer(echo) as server:
            assert len(answers(engine(server), requests(1))) == 1

    @pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-é", "export KEY=sk x"])
    def test_what_cannot_be_one_is_refused_unseen(self, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
        monkeypatch.setenv("MY_KEY", key)
        with ChatServer(echo) as server, pytest.raises(ConfigError, match="MY_KEY holds blanks") as caught:
            answers(engine(server, api_key_env="MY_KEY"), requests(1))
        assert "sk" not in str(caught.value)


class TestCheck:
    """What is wrong with an endpoint is found before any work starts."""

    def test_a_good_one(self) -> None:
        with ChatServer(echo) as server:
            engine(server).check()
            assert len(server.requests) == 1 and server.requests[0]["max_tokens"] == 16

    def test_another_model(self) -> None:
        with ChatServer(echo) as server:
            with pytest.raises(EndpointFailed, match="does not serve 'other'; it serves served: give one of these"):
                engine(server, model="other").check()
            assert not server.requests

    def test_a_server_without_a_list_of_models(self) -> None:
        with ChatServer(echo, model=None) as server:
            engine(server, model="any").check()

    def test_no_chat_template(self) -> None:
        words = "'check', sample 0: HTTP 400: no chat template"
        refusal = Status(400, "no chat template")
        with ChatServer(lambda _: refusal) as server, pytest.raises(EndpointFailed, match=words):
            engine(server).check()

    def test_no_server(self) -> None:
        with ChatServer(echo) as server:
            model = engine(server, retries=0)
        with pytest.raises(EndpointFailed, match=r"list of models: no connection: .*refused.*start the server"):
            model.check()

    def test_a_web_page(self) -> None:
        page = Raw(b"<html></html>", "text/html")
        with (
            ChatServer(lambda _: page, model=None) as server,
            pytest.raises(EndpointFailed, match="no chat completion"),
        ):
            engine(server).check()

    def test_the_wrong_path(self) -> None:
        with (
            ChatServer(echo) as server,
            pytest.raises(EndpointFailed, match=r"HTTP 404: no such page; mend base_url \(it usually ends with /v1\)"),
        ):
            engine(server, base_url=server.url.removesuffix("/v1")).check()


def test_identity_tells_what_is_served() -> None:
    with ChatServer(echo, root="/models/step-400") as server:
        known = engine(server).identity
    assert known == {
        "engine": "openai-compatible", "model": "served", "openai": known["openai"], "served": "/models/step-400",
    }  # fmt: skip
    assert known["openai"][0].isdigit()


def test_identity_where_the_server_lists_nothing() -> None:
    with ChatServer(echo, model=None) as server:
        assert "served" not in engine(server).identity


@pytest.mark.parametrize(
    "url", ["http://me:pass-word@host/v1", "https://host/v1?key=pass-word", "host:8000/v1", "ftp://host/v1", ""]
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="base_url must read") as caught:
        EndpointSettings(base_url=url, model="m")
    assert "pass-word" not in str(caught.value)


def test_the_client_is_imported_when_it_is_needed() -> None:
    code = "import sys, vibethinker.rollout.endpoint as e; assert 'openai' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
