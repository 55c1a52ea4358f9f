"""Everything that can be known before a run starts: is this machine, this profile and this workspace good for it?

Cheap, and light on imports: `vibethinker run` asks before every start, `vibethinker doctor` shows the answers.
"""

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import psutil
from pydantic import ValidationError

from vibethinker.budget.charge import MICRO, micro_dollars
from vibethinker.budget.ledger import Ledger, LedgerAway
from vibethinker.config.data import SourceSettings
from vibethinker.config.maths_part import maths_part
from vibethinker.config.profile import Profile
from vibethinker.data.generated import generated
from vibethinker.data.identity import source_path, unreadable
from vibethinker.errors import BudgetExceeded, ConfigError, DataError, SandboxUnavailable, SealError
from vibethinker.models.folder import model_positions
from vibethinker.models.identity import PACKAGE, model_folder
from vibethinker.records import VerifierName
from vibethinker.reports.words import money
from vibethinker.runs.device import billed_devices, check_device, check_threads
from vibethinker.runs.finding import Finding, Status, wrong
from vibethinker.runs.lease import MARGIN, LeaseTerms
from vibethinker.runs.manifest import sealed
from vibethinker.runs.record import RunStore
from vibethinker.runs.workspace import check_workspace
from vibethinker.stages.recipe import Node, fingerprints, recipe
from vibethinker.tracking.servers import check_mlflow, check_prefect
from vibethinker.verifiers.sandbox import require_sandbox
from vibethinker.verifiers.sandbox.bubblewrap import INSTALL

PACKAGES = ("prefect", "mlflow", "torch", "transformers")
"""What a run can't do without, and whose versions matter."""
BUDGET = "budget"
"""Name of the finding that ends a run as out of budget."""


def preflight(profile: Profile, workspace: Path) -> list[Finding]:
    """What a run of this profile would use here, and everything that would stop it.

    Changes nothing, but for settling leases in the ledger that nothing holds any more.
    """
    workspace = workspace.absolute()
    sandbox = _check_sandbox(profile)
    if sandbox and sandbox[0].status == "warning":
        profile = maths_part(profile)
    inputs = [*_check_sources(profile), _check_model(profile)]
    nodes, unplanned = _plan(profile, inputs)
    place = check_workspace(workspace, profile.compute.disk_gb)
    usable = not any(f.name == "workspace" and f.status == "problem" for f in place)
    return [
        _check_packages(),
        check_threads(profile.compute),
        _memory(),
        check_device(profile.compute),
        *sandbox,
        *inputs,
        *unplanned,
        *place,
        check_prefect(),
        check_mlflow(workspace),
        *(_check_contents(profile, workspace, nodes) if usable else []),
    ]


def refuse(findings: Iterable[Finding]) -> None:
    """Raises ConfigError with every problem and its mend, one a line; BudgetExceeded where the budget is the only one."""
    problems = [f for f in findings if f.status == "problem"]
    if not problems:
        return
    text = "not started:" + "".join(f"\n  {f.name}: {f.text}{f'; {f.mend}' if f.mend else ''}" for f in problems)
    raise BudgetExceeded(text) if [f.name for f in problems] == [BUDGET] else ConfigError(text)


def _check_packages() -> Finding:
    found, missing = [f"Python {platform.python_version()}"], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "problem", f"{', '.join(missing)} not installed", f"pip install {' '.join(missing)}")
    return Finding("packages", "ok", ", ".join(found))


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    return Finding("memory", "ok", f"{memory.total / 1e9:.1f} GB, {memory.available / 1e9:.1f} free")


def _check_sandbox(profile: Profile, require: Callable[[], None] = require_sandbox) -> list[Finding]:
    """Only where there is code to be run (promise 7)."""
    if "code" not in profile.domains.values():
        return []
    try:
        require()
    except SandboxUnavailable as error:
        text, _, rest = str(error).partition(f"; {INSTALL}")
        if profile.demonstration:
            return [Finding("sandbox", "warning", f"{text}: only the maths part would run", INSTALL + rest)]
        return [Finding("sandbox", "problem", text, INSTALL + rest)]
    return [Finding("sandbox", "ok", "untrusted programs run in bubblewrap; a trivial one did")]


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
    positions = model_positions(folder)
    beyond = {field: window for field, window in profile.windows.items() if positions and window > positions}
    if beyond:
        text = f"folder {folder}, made for texts of {positions} tokens (max_position_embeddings), below {beyond}"
        return Finding("base model", "warning", text, "lower these windows, or give a model for longer texts")
    return Finding("base model", "ok", f"folder {folder}")


def _plan(profile: Profile, inputs: list[Finding]) -> tuple[dict[str, Node], list[Finding]]:
    """The run's nodes; none where an input is missing, since their identity depends on it."""
    if any(finding.status == "problem" for finding in inputs):
        return {}, []
    try:
        return recipe(profile), []
    except ConfigError as error:
        return {}, [wrong("recipe", error)]


def _check_contents(profile: Profile, workspace: Path, nodes: Mapping[str, Node]) -> list[Finding]:
    """What earlier runs left in the workspace."""
    seals, to_run = _check_seals(workspace, nodes)
    return [_check_budget(profile, workspace, to_run), *_check_records(workspace), *seals]


def _check_seals(workspace: Path, nodes: Mapping[str, Node]) -> tuple[list[Finding], list[Node]]:
    """Damaged sealed outputs of this profile, or how many would be reused; and the nodes that would run."""
    damaged, to_run = [], []
    for name, identity in fingerprints(nodes).items():
        folder = workspace / "stages" / f"{name}-{identity[:12]}"
        try:
            manifest = sealed(folder)
            if manifest is not None and manifest.fingerprint != identity:
                raise SealError(
                    f"{folder / 'manifest.json'} is the seal of another output; remove {folder} to make it again"
                )
        except (SealError, OSError) as error:
            damaged.append(wrong(f"stage {name}", error))
            continue
        if manifest is None:
            to_run.append(nodes[name])
    if damaged or not nodes:
        return damaged, to_run
    return [Finding("stages", "ok", f"{len(nodes)}, of which {len(nodes) - len(to_run)} are sealed already")], to_run


def _check_records(workspace: Path) -> list[Finding]:
    """Records of earlier runs that can't be read: whole ones of another version are a warning, since no run needs them."""
    found = []
    for path in sorted((workspace / "runs").glob("*/run.json")):
        try:
            RunStore(workspace, path.parent.name).read()
        except DataError as error:
            mend = f"move the folder {path.parent} away: sealed stages lie elsewhere and are kept"
            status: Status = "warning" if isinstance(error.__cause__, ValidationError) else "problem"
            found.append(replace(wrong(f"run {path.parent.name}", error, status), mend=mend))
    return found


def _check_budget(profile: Profile, workspace: Path, to_run: list[Node]) -> Finding:
    """Whether the first stage's lease would be admitted, on the account as it stands."""
    path, budget = workspace / "ledger.sqlite", profile.budget
    try:
        ledger = Ledger(path) if path.exists() else None
        if ledger:
            ledger.reconcile()
        spent = ledger.spent(profile.name) if ledger else 0.0
        booked = ledger.booked(profile.name) if ledger else 0.0
    except LedgerAway as error:
        return wrong("ledger", error)
    text = f"{profile.name}: limit {money(budget.limit)}, spent {money(spent)}, booked {money(booked)}"
    devices = billed_devices(profile.compute, to_run[0].together) if to_run else 0
    terms = LeaseTerms(account=profile.name, run="", limit=budget.limit)
    first = micro_dollars(terms.seconds + terms.grace + MARGIN, devices, budget.rate) / MICRO
    if to_run and spent + booked + first > budget.limit:
        text = f"{text}; the first stage needs a lease of {money(first)}"
        return Finding(BUDGET, "problem", text, "raise budget.limit and run the same command again")
    return Finding(BUDGET, "ok", f"{text}, at ${budget.rate:g} per {budget.device_type} and hour")
