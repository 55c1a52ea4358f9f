"""An endpoint that refuses some requests, on a real server."""

from collections.abc import Iterator

import pytest

from tests.chat_server import ChatServer, Fault, Messages, Reply, Status
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.distillation.engines import REFUSED_AT_ONCE, EndpointTeacher, Finished
from vibethinker.errors import EndpointFailed
from vibethinker.rollout.text import Request, TextSampling

HOW = TextSampling(8)


def requests(number: int) -> list[Request]:
    return [Request("p", i, (("user", str(i)),)) for i in range(number)]


def answered(server: ChatServer, number: int, concurrency: int = 1) -> Iterator[int]:
    engine = EndpointTeacher(EndpointSettings(base_url=server.url, model="served", concurrency=concurrency, retries=0))
    for batch in engine.generate(requests(number), HOW):
        yield from (index for index, _ in batch)


def test_refused_requests_leave_the_others_alone() -> None:
    def answer(messages: Messages) -> str | Reply | Fault:
        return Reply("", finish_reason="content_filter") if messages[-1]["content"] in "37" else "fine"

    with ChatServer(answer) as server:
        assert sorted(answered(server, 10, concurrency=4)) == [0, 1, 2, 4, 5, 6, 8, 9]


def test_too_many_at_once_are_an_error() -> None:
    with ChatServer(lambda _: Status(400, "max_tokens is too large")) as server:
        with pytest.raises(EndpointFailed, match="max_tokens is too large"):
            list(answered(server, 100))
        assert len(server.requests) <= REFUSED_AT_ONCE + 3


def test_the_more_answers_the_more_may_be_refused() -> None:
    """Eight at once, and one in twenty of the answers: 80 answers allow twelve."""
    with ChatServer(lambda m: "fine" if int(m[-1]["content"]) < 80 else Status(422)) as server:
        assert len(list(answered(server, 92))) == 80
        with pytest.raises(EndpointFailed):
            list(answered(server, 93))


def test_an_endpoint_that_is_away_is_never_forgiven() -> None:
    found: list[int] = []
    server = ChatServer(lambda m: "fine" if int(m[-1]["content"]) < 2 else Status(401))
    with server, pytest.raises(EndpointFailed, match="401"):
        found += answered(server, 5)
    assert found == [0, 1]


def test_one_that_has_said_all_says_no_more() -> None:
    assert list(Finished({"engine": "x"}).generate(requests(3), HOW)) == []
