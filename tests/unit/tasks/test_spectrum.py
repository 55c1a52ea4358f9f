"""Tables of the spectrum's tasks."""

from tasks.spectrum import _by_domain


def test_selection_has_a_row_a_domain() -> None:
    metrics = {"a/step": 20.0, "a/pass_at_1": 0.25, "b/step": 10.0, "b/pass_at_1": 0.5, "b/loss": 1.5}
    assert _by_domain(metrics) == [
        {"domain": "a", "step": 20.0, "pass_at_1": 0.25, "loss": "-"},
        {"domain": "b", "step": 10.0, "pass_at_1": 0.5, "loss": 1.5},
    ]
    assert _by_domain({}) == []
