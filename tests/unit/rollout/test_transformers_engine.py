"""The portable engine against transformers' own generate, the trainer's log-probabilities, and the exact distribution."""

import math
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GPT2Config, LlamaConfig, MistralConfig

from vibethinker.config.model import ScratchSettings
from vibethinker.config.sft import LoraSettings
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.lora import add_lora, merged_state
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.rollout.engine import Completion, Prompt, Sampling, derive_seed
from vibethinker.rollout.transformers_engine import LOOK_EVERY, TransformersEngine
from vibethinker.training.batching import TokenSequence, pad

QUESTIONS = ["Solve 3x + 4 = 19 for x.", "Hi", "Two numbers have sum 9 and difference 1.", "2+2=", "a", "What is 7*8?"]
PAD = tiny_tokenizer().pad_token_id
SCRATCH = ScratchSettings(hidden_size=64, layers=2, heads=2, intermediate_size=64, max_length=128)


def sharpened(seed: int) -> Any:
    """Random weights, larger than at initialisation: next-token distributions that are far from uniform."""
    model = tiny_model(SCRATCH, tiny_tokenizer(), seed).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return sharpened(11)


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    tokenizer = tiny_tokenizer()
    return [Prompt(f"p/{i}", tuple(tokenizer(q)["input_ids"])) for i, q in enumerate(QUESTIONS)]


@pytest.fixture(scope="module")
def eos(model: Any, prompts: list[Prompt]) -> list[int]:
    """About one token in 20 ends a response, so that rows end at different times."""
    free = TransformersEngine(model, [], PAD).generate(prompts, Sampling(8, 24, seed=99))
    tokens = [t for group in free for c in group for t in c.token_ids]
    common = sorted(set(tokens), key=tokens.count, reverse=True)
    chosen: list[int] = []
    while sum(tokens.count(t) for t in chosen) < len(tokens) / 20:
        chosen.append(common[3 + 2 * len(chosen)])
    return chosen


def cut(completion: Completion, eos: list[int]) -> Completion:
    """What a response sampled without any eos would be with these: the same tokens up to the first one."""
    ends = [i for i, t in enumerate(completion.token_ids) if t in eos]
    n = ends[0] + 1 if ends else len(completion.token_ids)
    return Completion(completion.token_ids[:n], completion.logps[:n], "stop" if ends else "length")


def same(found: Completion, expected: Completion) -> bool:
    return (
        found.token_ids == expected.token_ids
        and found.finish_reason == expected.finish_reason
        and found.logps == pytest.approx(expected.logps, abs=1e-4)
    )


def test_greedy_is_transformers_greedy(model: Any, prompts: list[Prompt], eos: list[int]) -> None:
    found = TransformersEngine(model, eos, PAD).generate(prompts, Sampling(1, 20, temperature=0.0))
    for prompt, (completion,) in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt.token_ids])
        theirs = model.generate(ids, do_sample=False, max_new_tokens=20, eos_token_id=eos, pad_token_id=PAD)
        assert list(completion.token_ids) == theirs[0, ids.shape[1] :].tolist()


SMALL: dict[str, Any] = {
    "vocab_size": len(tiny_tokenizer()),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "pad_token_id": PAD,
}
OTHERS = {
    "grouped heads": LlamaConfig(**SMALL, num_key_value_heads=1),
    "sliding window": MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=9),
    "some layers sliding": Gemma3TextConfig(
        **SMALL,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=7,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "learned positions": GPT2Config(vocab_size=SMALL["vocab_size"], n_embd=32, n_layer=2, n_head=2, pad_token_id=PAD),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_models_too(kind: str, prompts: list[Prompt]) -> None:
    """Longer than a window, with and without padding; rows leave, so that caches that only transformers knows lose theirs."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        other = AutoModelForCausalLM.from_config(OTHERS[kind]).eval()
    greedy = Sampling(1, 20, temperature=0.0)
    free = TransformersEngine(other, [], PAD).generate(prompts, greedy)
    ends = [free[0][0].token_ids[2], free[1][0].token_ids[5]]
    for batch in (prompts, prompts[:1]):
        found = TransformersEngine(other, ends, PAD).generate(batch, greedy)
        for prompt, (completion,) in zip(batch, found, strict=True):
            ids = torch.tensor([prompt.token_ids])
            theirs = other.generate(ids, do_sample=False, max_new_tokens=20, eos_token_id=ends, pad_token_id=PAD)
            assert list(completion.token_ids) == theirs[0, ids.shape[1] :].tolist()


def test_log_probabilities_are_the_trainers(model: Any, prompts: list[Prompt], eos: list[int]) -> None:
    for temperature in (1.0, 0.7):
        groups = TransformersEngine(model, eos, PAD).generate(prompts, Sampling(4, 24, temperature, seed=3))
        rows = [
            TokenSequence(p.token_ids, c.token_ids, 1.0, c.logps)
            for p, g in zip(prompts, groups, strict=True)
            for c in g
        ]
        batch = pad(rows, PAD, "cpu")
        with torch.no_grad():
            logps, _ = token_logprobs(model, batch.input_ids, batch.response_mask, temperature)
        assert len({len(r.response) for r in rows}) > 5  # rows ended at different times
        torch.testing.assert_close(logps, batch.engine_logps, rtol=0, atol=1e-4)


def test_finished_rows_leave_and_the_others_stay_right(model: Any, prompts: list[Prompt], eos: list[int]) -> None:
    sampling = Sampling(6, 24, seed=5)
    free = TransformersEngine(model, [], PAD).generate(prompts, sampling)
    engine = TransformersEngine(model, eos, PAD)
    sizes: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["input_ids"].shape[0]), with_kwargs=True
    )
    stopped = engine.generate(prompts, sampling)
    hook.remove()
    expected = [[cut(c, eos) for c in group] for group in free]
    assert all(same(f, e) for a, b in zip(stopped, expected, strict=True) for f, e in zip(a, b, strict=True))
    assert {c.finish_reason for g in expected for c in g} == {"stop", "length"}
    assert sizes[0] == len(prompts)  # one prefill a prompt, not a sample
    assert sizes[1] == 6 * len(prompts)
    lengths = [len(c.token_ids) for g in expected for c in g]
    for step, size in enumerate(sizes[1:], 1):  # the forward pass that follows token `step`
        looked = step - step % LOOK_EVERY
        assert size == sum(length > looked for length in lengths)


def test_generation_ends_when_every_row_has(model: Any, prompts: list[Prompt]) -> None:
    calls: list[int] = []
    hook = model.register_forward_pre_hook(lambda *_: calls.append(1))
    found = TransformersEngine(model, list(range(model.config.vocab_size)), PAD).generate(prompts, Sampling(2, 50))
    hook.remove()
    assert len(calls) <= LOOK_EVERY
    assert all(len(c.token_ids) == 1 and c.finish_reason == "stop" for g in found for c in g)


def test_samples_do_not_depend_on_the_batch(model: Any, prompts: list[Prompt], eos: list[int]) -> None:
    sampling = Sampling(3, 20, temperature=0.8, top_p=0.95, seed=8)
    together = TransformersEngine(model, eos, PAD).generate(prompts, sampling)
    alone = [TransformersEngine(model, eos, PAD).generate([p], sampling)[0] for p in prompts]
    backwards = TransformersEngine(model, eos, PAD).generate(prompts[::-1], sampling)[::-1]
    in_parts = TransformersEngine(model, eos, PAD, rows=7).generate(prompts, sampling)
    for other in (alone, backwards, in_parts):
        assert [[c.token_ids for c in g] for g in other] == [[c.token_ids for c in g] for g in together]


def test_more_samples_keep_the_first_ones(model: Any, prompts: list[Prompt], eos: list[int]) -> None:
    few = TransformersEngine(model, eos, PAD).generate(prompts[:2], Sampling(2, 16, seed=8))
    many = TransformersEngine(model, eos, PAD).generate(prompts[:2], Sampling(5, 16, seed=8))
    assert [[c.token_ids for c in g[:2]] for g in many] == [[c.token_ids for c in g] for g in few]


def test_samples_of_a_prompt_differ_and_so_do_seeds_and_keys(model: Any, prompts: list[Prompt]) -> None:
    engine = TransformersEngine(model, [], PAD)
    (first,) = engine.generate(prompts[:1], Sampling(8, 16, seed=1))
    assert len({c.token_ids for c in first}) == 8
    (again,) = engine.generate(prompts[:1], Sampling(8, 16, seed=1))
    (seeded,) = engine.generate(prompts[:1], Sampling(8, 16, seed=2))
    (renamed,) = engine.generate([Prompt("other", prompts[0].token_ids)], Sampling(8, 16, seed=1))
    assert again == first
    assert not {c.token_ids for c in first} & {c.token_ids for c in (*seeded, *renamed)}


def test_one_step_follows_the_softmax(model: Any, prompts: list[Prompt]) -> None:
    """Chi-square over the likely tokens and the rest together, with and without top_p, at two temperatures."""
    draws = 4000
    with torch.no_grad():
        logits = model(torch.tensor([prompts[0].token_ids])).logits[0, -1].double()
    for temperature, top_p in ((1.0, 1.0), (1.5, 1.0), (1.0, 0.7)):
        probabilities = torch.softmax(logits / temperature, -1)
        if top_p < 1:
            order = probabilities.argsort(descending=True)
            kept = int((probabilities[order].cumsum(-1) < top_p).sum()) + 1
            nucleus = torch.zeros_like(probabilities)
            nucleus[order[:kept]] = probabilities[order[:kept]]
            probabilities = nucleus / nucleus.sum()
        (group,) = TransformersEngine(model, [], PAD, rows=draws).generate(
            prompts[:1], Sampling(draws, 1, temperature, top_p, seed=4)
        )
        counts = torch.bincount(torch.tensor([c.token_ids[0] for c in group]), minlength=len(logits)).double()
        assert not counts[probabilities == 0].any()
        likely = probabilities * draws >= 5
        assert int(likely.sum()) >= 4
        pooled = torch.stack([counts[~likely].sum(), probabilities[~likely].sum() * draws])
        terms = (counts[likely] - probabilities[likely] * draws) ** 2 / (probabilities[likely] * draws)
        chi_square = terms.sum() + ((pooled[0] - pooled[1]) ** 2 / pooled[1] if pooled[1] >= 5 else 0.0)
        degrees = int(likely.sum()) - (0 if pooled[1] >= 5 else 1)
        assert chi_square < degrees + 4 * math.sqrt(2 * degrees), (temperature, top_p)


def test_top_p_stays_in_the_nucleus_over_whole_responses(model: Any, prompts: list[Prompt]) -> None:
    groups = TransformersEngine(model, [], PAD).generate(prompts, Sampling(6, 16, temperature=1.0, top_p=0.5, seed=2))
    outside = 0
    for prompt, group in zip(prompts, groups, strict=True):
        for completion in group:
            ids = torch.tensor([prompt.token_ids + completion.token_ids])
            with torch.no_grad():
                probabilities = torch.softmax(model(ids).logits[0, len(prompt.token_ids) - 1 : -1].double(), -1)
            chosen = probabilities.gather(-1, torch.tensor(completion.token_ids)[:, None])
            before = torch.where(probabilities > chosen, probabilities, 0.0).sum(-1)
            outside += int((before >= 0.5 + 1e-5).sum())
            # reported before top_p: the model's own probability
            assert completion.logps == pytest.approx(chosen.squeeze(-1).log().tolist(), abs=1e-4)
    assert outside == 0


def test_update_weights(prompts: list[Prompt]) -> None:
    first, second = sharpened(1), sharpened(2)
    engine = TransformersEngine(first, [], PAD)
    before = engine.generate(prompts, Sampling(2, 8))
    expected = TransformersEngine(second, [], PAD).generate(prompts, Sampling(2, 8))
    assert before != expected
    engine.update_weights(second.state_dict())
    assert engine.generate(prompts, Sampling(2, 8)) == expected


def test_weights_that_are_not_finite_are_refused(prompts: list[Prompt]) -> None:
    engine = TransformersEngine(sharpened(1), [], PAD)
    before = engine.generate(prompts, Sampling(2, 8))
    broken = sharpened(2).state_dict()
    broken["model.norm.weight"][3] = torch.nan
    with pytest.raises(ValueError, match=r"1 weights are not finite, model\.norm\.weight first"):
        engine.update_weights(broken)
    assert engine.generate(prompts, Sampling(2, 8)) == before


def under_adapters(prompts: list[Prompt]) -> tuple[Any, TransformersEngine, Any]:
    """A trainer's model with adapters that have learnt, its engine, and the same weights merged in a plain model."""
    model = sharpened(1)
    add_lora(model, LoraSettings(rank=2, alpha=8), 3)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05
    plain = sharpened(1).requires_grad_(False)  # as the base under adapters: torch has other kernels for what learns
    plain.load_state_dict(merged_state(model))
    return model, TransformersEngine(model, [], PAD), plain


def test_a_model_in_training_with_adapters_generates_as_the_one_that_will_be_saved(prompts: list[Prompt]) -> None:
    model, engine, plain = under_adapters(prompts)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    engine.update_weights(merged_state(model))
    sampling = Sampling(2, 8)
    expected = TransformersEngine(plain, [], PAD).generate(prompts, sampling)
    assert engine.generate(prompts, sampling) == expected  # log-probabilities too
    assert [c.token_ids for (c, _) in expected] != [
        c.token_ids for (c, _) in TransformersEngine(sharpened(1), [], PAD).generate(prompts, sampling)
    ]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert sum(p.requires_grad for p in model.parameters()) == 2 * 2 * 7


def test_an_engine_of_its_own_takes_merged_weights(prompts: list[Prompt]) -> None:
    model, _, plain = under_adapters(prompts)
    engine = TransformersEngine(sharpened(1).requires_grad_(False), [], PAD)
    engine.update_weights(merged_state(model))
    sampling = Sampling(2, 8)
    assert engine.generate(prompts, sampling) == TransformersEngine(plain, [], PAD).generate(prompts, sampling)


def test_adapters_that_are_not_finite_are_refused(prompts: list[Prompt]) -> None:
    model, engine, _ = under_adapters(prompts)
    model.model.layers[0].mlp.up_proj.lora_B["default"].weight.data[0, 0] = torch.inf
    with pytest.raises(ValueError, match=r"1 weights are not finite, model\.layers\.0\.mlp\.up_proj\.weight first"):
        engine.update_weights(merged_state(model))


def test_repetition_is_bit_identical(model: Any, prompts: list[Prompt], eos: list[int]) -> None:
    sampling = Sampling(5, 24, seed=6)
    first, second = (TransformersEngine(model, eos, PAD).generate(prompts, sampling) for _ in range(2))
    assert first == second  # log-probabilities too


def test_a_response_is_told_of_as_it_ends(model: Any, prompts: list[Prompt], eos: list[int]) -> None:
    """Response of n tokens ends with the n-th forward pass; it is told of before LOOK_EVERY more have run."""
    calls: list[int] = []
    told: list[tuple[int, int]] = []
    hook = model.register_forward_pre_hook(lambda *_: calls.append(1))
    engine = TransformersEngine(model, eos, PAD)
    engine.generate(prompts, Sampling(6, 24, seed=5), lambda p, s, done: told.append((len(calls), len(done.token_ids))))
    hook.remove()
    assert len({length for _, length in told}) > 5
    assert all(length <= passes < length + LOOK_EVERY for passes, length in told)
    assert min(told) < (4, 4) and max(told) == (24, 24)  # the short ones long before the long ones


def test_a_callback_that_fails_ends_generation(model: Any, prompts: list[Prompt]) -> None:
    def fail(prompt: int, sample: int, done: Completion) -> None:
        raise ValueError("no")

    engine = TransformersEngine(model, [], PAD)
    with pytest.raises(ValueError, match="no"):
        engine.generate(prompts, Sampling(2, 4), fail)
    assert engine.generate(prompts[:1], Sampling(1, 2)) != []


def test_every_response_is_told_of_once(model: Any, prompts: list[Prompt]) -> None:
    told: dict[tuple[int, int], Completion] = {}
    engine = TransformersEngine(model, [], PAD, rows=8)
    groups = engine.generate(
        prompts, Sampling(4, 2), lambda prompt, sample, done: told.update({(prompt, sample): done})
    )
    assert told == {(p, s): done for p, group in enumerate(groups) for s, done in enumerate(group)}
    assert engine.generate([], Sampling(4, 2)) == []


def test_derived_seeds_are_stable_and_tell_parts_apart() -> None:
    assert derive_seed(17, "mgpo", "code") == derive_seed(17, "mgpo", "code")
    assert derive_seed(1, 23) != derive_seed(12, 3) != derive_seed(123)
    assert all(0 <= derive_seed(i) < 2**63 for i in range(100))
