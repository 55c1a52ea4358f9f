"""Clean training problems divided into the disjoint sets of the recipe, per domain."""

from collections.abc import Sequence

from vibethinker.config.data import SplitSettings
from vibethinker.data.identity import question_key, seeded_order
from vibethinker.errors import DataError
from vibethinker.records import Problem


def split(
    problems: Sequence[Problem], sizes: SplitSettings, domains: Sequence[str], seed: int
) -> dict[str, list[Problem]]:
    """Sets `pretrain`, `sft`, `probe`, `rl`, `promotion`, domain after domain; no question is in two of them.

    Order inside a domain is sha256(seed, id), so a row that comes or goes moves at most one other across each border.
    `pretrain` and `sft` take rows with traces only; a question that stands in several sources is taken once. DataError
    names a domain with too few rows.
    """
    sets: dict[str, list[Problem]] = {name: [] for name in ("pretrain", "sft", "probe", "rl", "promotion")}
    distinct = _distinct(problems, seed)
    for domain in domains:
        for name, rows in _split_domain(domain, [row for row in distinct if row.domain == domain], sizes).items():
            sets[name].extend(rows)
    return sets


def left_out(problems: Sequence[Problem], sets: dict[str, list[Problem]]) -> dict[str, int]:
    """Rows per domain that are in no set: without a trace, a question met before, or of a domain not asked for."""
    used = {row.id for rows in sets.values() for row in rows}
    counts = dict.fromkeys(sorted({row.domain for row in problems}), 0)
    for row in problems:
        counts[row.domain] += row.id not in used
    return counts


def _distinct(problems: Sequence[Problem], seed: int) -> list[Problem]:
    """Problems in seeded order, without those whose question came before: sources overlap, sets must not."""
    rows = {row.id: row for row in problems}
    if len(rows) != len(problems):
        raise DataError(f"problem ids must be unique, {len(problems) - len(rows)} of {len(problems)} are repeated")
    first: dict[str, Problem] = {}
    for name in seeded_order(rows, seed):
        first.setdefault(question_key(rows[name].question), rows[name])
    return list(first.values())


def _split_domain(domain: str, rows: Sequence[Problem], sizes: SplitSettings) -> dict[str, list[Problem]]:
    sets: dict[str, list[Problem]] = {}
    start = 0
    for name, size in (("promotion", sizes.promotion), ("probe", sizes.probe), ("rl", sizes.rl)):
        sets[name] = list(rows[start : start + size])
        start += size
    traced = [row for row in rows[start:] if row.traces]
    if len(traced) <= sizes.pretrain:
        raise DataError(_too_few(domain, rows, sizes))
    sets["pretrain"], sets["sft"] = traced[: sizes.pretrain], traced[sizes.pretrain :]
    return sets


def _too_few(domain: str, rows: Sequence[Problem], sizes: SplitSettings) -> str:
    """How many problems there are and how many are needed."""
    apart = sizes.promotion + sizes.probe + sizes.rl
    traced = sum(bool(row.traces) for row in rows)
    return (
        f"domain {domain!r} has {len(rows)} distinct clean training problems, {traced} of them with a trace; "
        f"data.splits needs {apart} (promotion {sizes.promotion}, probe {sizes.probe}, rl {sizes.rl}) and after those "
        f"{sizes.pretrain + 1} with a trace (pretrain {sizes.pretrain}, sft at least 1): lower data.splits, raise "
        f"the limit of the sources, or look at what the stage decontaminate dropped (its hits.jsonl)"
    )
