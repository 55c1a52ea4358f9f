"""Everything that can be known before a run of the recipe starts: is this machine, this profile and this workspace good for it?

Cheap, and light on imports: `vibethinker run` asks before every start, `vibethinker doctor` shows the answers.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vibethinker.config.benchmark import load_benchmark
from vibethinker.config.data import SourceSettings
from vibethinker.config.maths_part import maths_part
from vibethinker.config.profile import Profile
from vibethinker.data.benchmark_files import data_folder, rows_digest
from vibethinker.data.generated import generated
from vibethinker.data.identity import source_path, unreadable
from vibethinker.errors import ConfigError, DataError
from vibethinker.models.folder import model_positions
from vibethinker.models.identity import PACKAGE, model_folder
from vibethinker.records import VerifierName
from vibethinker.runs.finding import Finding, wrong
from vibethinker.stages.machine import check_run, check_sandbox
from vibethinker.stages.preflight_teachers import check_teachers
from vibethinker.stages.recipe import recipe


def preflight(profile: Profile, workspace: Path) -> list[Finding]:
    """What a run of this profile would use here, and everything that would stop it.

    Changes nothing, but for settling leases in the ledger that nothing holds any more.
    """
    asked = {*profile.domains.values(), *profile.benchmark.domains.values()}
    sandbox = check_sandbox("code" in asked, profile.demonstration)
    if sandbox and sandbox[0].status == "warning":
        profile = maths_part(profile)
    inputs = [*_check_sources(profile), _check_model(profile), *check_teachers(profile)]
    return check_run(profile, workspace, sandbox, inputs, lambda: recipe(profile))


def _check_sources(profile: Profile) -> list[Finding]:
    roles = {"train": profile.domains, "benchmark": profile.benchmark.domains or profile.domains}
    return [_check_source(source, roles[source.role]) for source in profile.data.sources]


def _check_source(source: SourceSettings, domains: Mapping[str, VerifierName]) -> Finding:
    name = f"source {source.name}"
    try:
        if source.hub:
            return Finding(
                name, "ok", f"from the hub: {source.hub}, {source.split}, revision {source.revision or 'newest'}"
            )
        if source.benchmark:
            rows = rows_digest(load_benchmark(source.benchmark), data_folder())
            return Finding(name, "ok", f"benchmark {source.benchmark}, {rows.partition(' sha256')[0]}")
        if source.generator:
            for domain in sorted(source.gives(domains)):
                next(generated(source, domain, domains))
            return Finding(name, "ok", f"generator {source.generator}, {source.limit} rows a domain")
        path = source_path(source)
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except (ConfigError, DataError) as error:
        found = wrong(name, error)
        return replace(found, text=found.text.removeprefix(f"source {source.name!r}: "))
    except OSError as error:
        return wrong(name, ConfigError(unreadable(source, error)))
    if not size:
        return Finding(
            name, "problem", f"{source.path!r} (here {path}) holds no rows: it is empty", "give another file"
        )
    return Finding(name, "ok", f"{path}, {size / 1e6:,.1f} MB")


def _check_model(profile: Profile) -> Finding:
    base = profile.base
    if base.source == "scratch":
        return Finding("base model", "ok", f"trained from scratch, {base.scratch.steps} steps")
    try:
        folder = model_folder(base.source)
    except ConfigError as error:
        return wrong("base model", error)
    if folder is not None:
        return _local_model(profile, folder)
    place = (
        "in an installed package"
        if base.source.startswith(PACKAGE)
        else f"from the hub, revision {base.revision or 'main'}"
    )
    return Finding("base model", "ok", f"{base.source}, {place}")


def _local_model(profile: Profile, folder: Path) -> Finding:
    positions = profile.base.positions or model_positions(folder)
    beyond = {field: window for field, window in profile.windows.items() if positions and window > positions}
    if beyond:
        text = f"folder {folder}, made for texts of {positions} tokens (max_position_embeddings), below {beyond}"
        return Finding(
            "base model", "warning", text, "lower these windows, give a model for longer texts, or set base.positions"
        )
    return Finding("base model", "ok", f"folder {folder}")
