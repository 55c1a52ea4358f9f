"""What is left out before a local engine is asked, and that the others' responses find their requests."""

from collections.abc import Mapping, Sequence

import pytest

from vibethinker.models.chat import encode_conversation
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.rollout.fitting import FittingEngine, fitting
from vibethinker.rollout.text import Batches, Request, Text, TextSampling

TOKENIZER = tiny_tokenizer()
SHORT, LONG = (("user", "Solve x = 1."),), (("user", "Solve x = 1. Then solve it again."),)
LENGTH = len(encode_conversation(TOKENIZER, LONG))


class Engine:
    """Says what it was asked, the last request first."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    @property
    def identity(self) -> Mapping[str, str]:
        return {"engine": "fake"}

    def generate(self, requests: Sequence[Request], sampling: TextSampling) -> Batches:
        self.asked += requests
        for index in reversed(range(len(requests))):
            yield [(index, Text(f"{requests[index].key}{requests[index].sample}", 1, "stop"))]


@pytest.mark.parametrize(("longest", "fit"), [(LENGTH + 8, {SHORT, LONG}), (LENGTH + 7, {SHORT}), (8, set())])
def test_prompt_and_response_fit_together(longest: int, fit: set[object]) -> None:
    assert fitting(TOKENIZER, [SHORT, LONG, LONG], 8, longest) == fit


def test_what_does_not_fit_is_not_asked() -> None:
    engine = Engine()
    found = FittingEngine(engine, TOKENIZER, LENGTH + 7)
    requests = [Request("l", 0, LONG), Request("s", 0, SHORT), Request("l", 1, LONG), Request("s", 1, SHORT)]
    batches = list(found.generate(requests, TextSampling(8)))
    assert [[(index, text.text) for index, text in batch] for batch in batches] == [[(3, "s1")], [(1, "s0")]]
    assert engine.asked == [requests[1], requests[3]] and found.identity == {"engine": "fake"}
    assert list(found.generate(requests[:1], TextSampling(8))) == [] and len(engine.asked) == 2
