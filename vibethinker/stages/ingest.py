"""Ingest: rows of all sources as problems; malformed rows are set aside with their reasons and counted."""

import orjson

from vibethinker.config.data import SourceSettings
from vibethinker.data.sources import load_source
from vibethinker.data.tables import set_digest, write_problems
from vibethinker.errors import DataError
from vibethinker.records import Problem
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work


def run(spec: StageSpec) -> Manifest:
    """Seals train.parquet, benchmark.parquet, quarantine.jsonl, counts.json."""
    with open_work(spec) as work:
        domains = {"train": spec.settings["domains"], "benchmark": spec.settings["measured"]}
        by_role: dict[str, list[Problem]] = {"train": [], "benchmark": []}
        counts: dict[str, dict[str, int]] = {}
        quarantine: list[dict[str, object]] = []
        sources = [_source(row, spec.places) for row in spec.settings["sources"]]
        for done, source in enumerate(sources, 1):
            loaded = load_source(source, domains[source.role])
            by_role[source.role] += loaded.problems
            counts[source.name] = dict(loaded.counts)
            quarantine += loaded.quarantine
            work.tracker.progress("sources", done, len(sources))
        for role, problems in by_role.items():
            names = [source.name for source in sources if source.role == role]
            _check_domains(role, problems, domains[role], names)
            write_problems(work.out / f"{role}.parquet", problems)
        (work.out / "quarantine.jsonl").write_bytes(b"".join(orjson.dumps(q) + b"\n" for q in quarantine))
        digests = {role: set_digest(problems) for role, problems in by_role.items()}
        (work.out / "counts.json").write_bytes(
            orjson.dumps({"sources": counts, "digests": digests}, option=orjson.OPT_INDENT_2)
        )
        return work.seal({**{role: len(rows) for role, rows in by_role.items()}, "quarantined": len(quarantine)})


def _source(row: dict[str, object], places: dict[str, str]) -> SourceSettings:
    kept = {k: v for k, v in row.items() if k != "digest"}
    return SourceSettings.model_validate(kept | {"path": places.get(str(row["name"]), "")})


def _check_domains(role: str, problems: list[Problem], domains: dict[str, str], sources: list[str]) -> None:
    missing = sorted(set(domains) - {p.domain for p in problems})
    if missing:
        raise DataError(
            f"no {role} problem in domain {missing} among the {len(problems)} rows of {sources}: correct their domain_map, add a "
            f"source with role {role} for it, or take it out of domains"
        )
