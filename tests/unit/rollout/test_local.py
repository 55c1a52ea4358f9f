"""A token engine with a tokenizer around it answers requests in any order and number."""

from vibethinker.config.model import ScratchSettings
from vibethinker.models.chat import encode_conversation
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.rollout.local import LocalTextEngine
from vibethinker.rollout.text import Request, Text, TextSampling
from vibethinker.rollout.transformers_engine import TransformersEngine

SCRATCH = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)
HOW = TextSampling(6, seed=3)


def answers(requests: list[Request], rows: int = 8) -> dict[tuple[str, int], Text]:
    tokenizer = tiny_tokenizer()
    engine = TransformersEngine(tiny_model(SCRATCH, tokenizer, 1).eval(), [tokenizer.eos_token_id], 0, rows)
    found: dict[tuple[str, int], Text] = {}
    for batch in LocalTextEngine(engine, tokenizer, rows, {}).generate(requests, HOW):
        assert len(batch) <= rows
        for index, text in batch:
            assert (requests[index].key, requests[index].sample) not in found
            found[requests[index].key, requests[index].sample] = text
    return found


def asked(key: str, sample: int) -> Request:
    return Request(key, sample, (("user", f"Solve {key}."),))


def test_each_request_is_answered_once_whatever_the_order() -> None:
    requests = [asked(key, sample) for key in "abc" for sample in range(4)]
    whole = answers(requests)
    assert set(whole) == {(r.key, r.sample) for r in requests}
    assert {text.prompt_tokens for text in whole.values()} == {
        len(encode_conversation(tiny_tokenizer(), requests[0].messages))
    }
    assert answers(requests[::-1]) == whole
    assert answers([asked("b", 2), asked("a", 0), asked("b", 3)]) == {
        k: whole[k] for k in [("b", 2), ("a", 0), ("b", 3)]
    }


def test_few_rows_give_the_same_answers() -> None:
    requests = [asked(key, sample) for key in "ab" for sample in range(5)]
    assert answers(requests, rows=2) == answers(requests)


def test_nothing_asked() -> None:
    assert answers([]) == {}
