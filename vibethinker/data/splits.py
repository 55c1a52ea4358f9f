"""Clean training problems divided into the disjoint sets of the recipe, per domain."""

from collections.abc import Sequence

from vibethinker.config.data import SplitSettings
from vibethinker.data.identity import question_keys, seeded_order
from vibethinker.errors import DataError
from vibethinker.records import Problem


def unlabelled(problem: Problem) -> bool:
    """Whether it lacks the gold answer by which responses to it would be graded."""
    return problem.verifier in ("maths", "choice") and not problem.answer.strip()


def split(
    problems: Sequence[Problem], sizes: SplitSettings, domains: Sequence[str], seed: int, taught: bool = False
) -> dict[str, list[Problem]]:
    """Sets `pretrain`, `sft`, `probe`, `rl`, `promotion`, domain after domain; no question is in two of them.

    Order inside a domain is sha256(seed, id), so a row that comes or goes moves at most one other across each border.
    `pretrain` takes rows with traces only. So does `sft`, unless it is `taught`: teachers then write the traces, and rows
    without a gold answer are in it too, in no other set ever. A question that stands in several sources, or in a
    conversation, is taken once, with a gold answer where one has it. DataError names a domain with too few rows.
    """
    sets: dict[str, list[Problem]] = {name: [] for name in ("pretrain", "sft", "probe", "rl", "promotion")}
    distinct = _distinct(problems, seed)
    for domain in domains:
        for name, rows in _split_domain(domain, [r for r in distinct if r.domain == domain], sizes, taught).items():
            sets[name].extend(rows)
    return sets


def left_out(problems: Sequence[Problem], sets: dict[str, list[Problem]]) -> dict[str, int]:
    """Rows per domain that are in no set: a trace or gold answer is missing, a question met before, a domain not asked for."""
    used = {row.id for rows in sets.values() for row in rows}
    counts = dict.fromkeys(sorted({row.domain for row in problems}), 0)
    for row in problems:
        counts[row.domain] += row.id not in used
    return counts


def _distinct(problems: Sequence[Problem], seed: int) -> list[Problem]:
    """Problems in seeded order, without those of whose questions, earlier turns' too, one came before: sources overlap, sets
    must not."""
    rows = {row.id: row for row in problems}
    if len(rows) != len(problems):
        raise DataError(f"problem ids must be unique, {len(problems) - len(rows)} of {len(problems)} are repeated")
    first: list[Problem] = []
    seen: set[str] = set()
    for name in sorted(seeded_order(rows, seed), key=lambda name: unlabelled(rows[name])):
        if seen.isdisjoint(keys := question_keys(rows[name])):
            first.append(rows[name])
            seen |= keys
    return first


def _split_domain(domain: str, rows: Sequence[Problem], sizes: SplitSettings, taught: bool) -> dict[str, list[Problem]]:
    sets: dict[str, list[Problem]] = {}
    graded = [row for row in rows if not unlabelled(row)]
    start = 0
    for name, size in (("promotion", sizes.promotion), ("probe", sizes.probe), ("rl", sizes.rl)):
        sets[name] = graded[start : start + size]
        start += size
    traced = [row for row in graded[start:] if row.traces]
    sets["pretrain"] = traced[: sizes.pretrain]
    used = {row.id for part in sets.values() for row in part}
    sets["sft"] = [row for row in rows if row.id not in used] if taught else traced[sizes.pretrain :]
    if len(graded) < start or len(sets["pretrain"]) < sizes.pretrain or not sets["sft"]:
        raise DataError(_too_few(domain, graded, sizes, taught))
    return sets


def _too_few(domain: str, rows: Sequence[Problem], sizes: SplitSettings, taught: bool) -> str:
    """How many problems there are and how many are needed."""
    apart = sizes.promotion + sizes.probe + sizes.rl
    traced = sum(bool(row.traces) for row in rows)
    after = f"{sizes.pretrain} with a trace" if taught else f"{sizes.pretrain + 1} with a trace"
    return (
        f"domain {domain!r} has {len(rows)} distinct clean training problems, {traced} of them with a trace; "
        f"data.splits needs {apart} (promotion {sizes.promotion}, probe {sizes.probe}, rl {sizes.rl}) and after those "
        f"{after} (pretrain {sizes.pretrain}, sft at least 1): lower data.splits, raise "
        f"the limit of the sources, or look at what the stage decontaminate dropped (its hits.jsonl)"
    )
