"""What each teacher gave and cost, and why responses were not kept."""

from collections import Counter
from collections.abc import Mapping, Sequence

from vibethinker.config.distillation import PriceSettings
from vibethinker.distillation.teachers import Answers
from vibethinker.distillation.traces import Trace
from vibethinker.records import Problem

MILLION = 1_000_000


class Tally:
    """Counts every response once."""

    def __init__(self) -> None:
        self._teachers: dict[str, Counter[str]] = {}
        self._domains: dict[str, Counter[str]] = {}
        self.reasons: Counter[str] = Counter()
        """Why not kept -> responses."""

    def add(self, trace: Trace) -> None:
        """One response whose fate is known."""
        kept = not trace.reason
        counted = Counter(
            traces=1,
            kept=kept,
            verified=trace.verified,
            truncated=trace.finish_reason == "length",
            prompt_tokens=trace.prompt_tokens,
            response_tokens=trace.tokens,
        )
        self._teachers.setdefault(trace.teacher, Counter()).update(counted)
        self._domains.setdefault(trace.domain, Counter()).update(traces=1, kept=kept)
        if trace.reason:
            self.reasons[trace.reason] += 1

    def teachers(self, answers: Sequence[Answers], seconds: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Teacher -> its row of counts.json. seconds: teacher -> how long it took."""
        names = ("traces", "verified", "kept", "truncated", "prompt_tokens", "response_tokens")
        rows = {}
        for answer in answers:
            name = answer.teacher.name
            counted = self._teachers.get(name, Counter())
            rows[name] = {
                "problems": len(answer.asked),
                **{key: counted[key] for key in names},
                "refused": answer.refused,
                "seconds": round(seconds[name], 3),
                "dollars": dollars(answer.teacher.price, counted["prompt_tokens"], counted["response_tokens"]),
            }
        return rows

    def domains(self, problems: Sequence[Problem]) -> dict[str, dict[str, int]]:
        """Domain -> problems, and the responses to them: all, and kept."""
        asked = Counter(p.domain for p in problems)
        found = {domain: self._domains.get(domain, Counter()) for domain in asked}
        return {d: {"problems": asked[d], "traces": found[d]["traces"], "kept": found[d]["kept"]} for d in asked}


def dollars(price: PriceSettings, prompt_tokens: int, response_tokens: int) -> float:
    """What an endpoint charges for so many tokens."""
    return (price.prompt * prompt_tokens + price.response * response_tokens) / MILLION
