"""Is this machine and this workspace good for a run, whatever it runs?"""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import psutil
from pydantic import ValidationError

from vibethinker.budget.charge import MICRO, micro_dollars
from vibethinker.budget.ledger import Ledger, LedgerAway
from vibethinker.config.run import RunSettings
from vibethinker.errors import BudgetExceeded, ConfigError, DataError, SandboxUnavailable, SealError
from vibethinker.reports.words import money
from vibethinker.runs.device import billed_devices, check_device, check_engine, check_threads
from vibethinker.runs.finding import Finding, Status, wrong
from vibethinker.runs.lease import MARGIN, LeaseTerms
from vibethinker.runs.manifest import sealed
from vibethinker.runs.record import RunStore
from vibethinker.runs.workspace import check_workspace
from vibethinker.stages.node import Node
from vibethinker.stages.recipe import fingerprints
from vibethinker.tracking.servers import check_mlflow, check_prefect
from vibethinker.verifiers.sandbox import require_sandbox
from vibethinker.verifiers.sandbox.bubblewrap import INSTALL

PACKAGES = ("prefect", "mlflow", "torch", "transformers")
"""What a run can't do without, and whose versions matter."""
BUDGET = "budget"
"""Name of the finding that ends a run as out of budget."""


def check_run(
    run: RunSettings,
    workspace: Path,
    sandbox: Sequence[Finding],
    inputs: Sequence[Finding],
    nodes: Callable[[], dict[str, Node]],
) -> list[Finding]:
    """The machine, what was found of the sandbox and the inputs, the workspace, the servers and the budget.

    nodes: makes the run's nodes; called only where no input is missing, since their identity depends on the inputs.
    """
    workspace = workspace.absolute()
    planned, unplanned = _plan(inputs, nodes)
    place = check_workspace(workspace, run.compute.disk_gb)
    usable = not any(f.name == "workspace" and f.status == "problem" for f in place)
    return [
        _check_packages(),
        check_threads(run.compute),
        _memory(),
        check_device(run.compute),
        check_engine(run.compute.engine),
        *sandbox,
        *inputs,
        *unplanned,
        *place,
        check_prefect(),
        check_mlflow(workspace),
        *(_check_contents(run, workspace, planned) if usable else []),
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


def check_sandbox(
    code: bool, demonstration: bool = False, require: Callable[[], None] = require_sandbox
) -> list[Finding]:
    """Only where there is code to be run (promise 7); a demonstration without a sandbox runs its maths part."""
    if not code:
        return []
    try:
        require()
    except SandboxUnavailable as error:
        text, _, rest = str(error).partition(f"; {INSTALL}")
        if demonstration:
            return [Finding("sandbox", "warning", f"{text}: only the maths part would run", INSTALL + rest)]
        return [Finding("sandbox", "problem", text, INSTALL + rest)]
    return [Finding("sandbox", "ok", "untrusted programs run in bubblewrap; a trivial one did")]


def _plan(inputs: Sequence[Finding], nodes: Callable[[], dict[str, Node]]) -> tuple[dict[str, Node], list[Finding]]:
    """The run's nodes; none where an input is missing, since their identity depends on it."""
    if any(finding.status == "problem" for finding in inputs):
        return {}, []
    try:
        return nodes(), []
    except ConfigError as error:
        return {}, [wrong("recipe", error)]


def _check_contents(run: RunSettings, workspace: Path, nodes: Mapping[str, Node]) -> list[Finding]:
    """What earlier runs left in the workspace."""
    seals, to_run = _check_seals(workspace, nodes)
    return [_check_budget(run, workspace, to_run), *_check_records(workspace), *seals]


def _check_seals(workspace: Path, nodes: Mapping[str, Node]) -> tuple[list[Finding], list[Node]]:
    """Damaged sealed outputs of this run, or how many would be reused; and the nodes that would run."""
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


def _check_budget(run: RunSettings, workspace: Path, to_run: list[Node]) -> Finding:
    """Whether the first stage's lease would be admitted, on the account as it stands."""
    path, budget = workspace / "ledger.sqlite", run.budget
    try:
        ledger = Ledger(path) if path.exists() else None
        if ledger:
            ledger.reconcile()
        spent = ledger.spent(run.name) if ledger else 0.0
        booked = ledger.booked(run.name) if ledger else 0.0
    except LedgerAway as error:
        return wrong("ledger", error)
    text = f"{run.name}: limit {money(budget.limit)}, spent {money(spent)}, booked {money(booked)}"
    devices = billed_devices(run.compute, to_run[0].together) if to_run else 0
    terms = LeaseTerms(account=run.name, run="", limit=budget.limit)
    first = micro_dollars(terms.seconds + terms.grace + MARGIN, devices, budget.rate) / MICRO
    if to_run and spent + booked + first > budget.limit:
        text = f"{text}; the first stage needs a lease of {money(first)}"
        return Finding(BUDGET, "problem", text, "raise budget.limit and run the same command again")
    return Finding(BUDGET, "ok", f"{text}, at ${budget.rate:g} per {budget.device_type} and hour")
