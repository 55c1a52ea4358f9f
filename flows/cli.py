"""The command line, `vibethinker`."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from flows.environment import set_defaults
from vibethinker.config.load import load_profile, profile_names
from vibethinker.config.maths_part import maths_part
from vibethinker.config.profile import Profile
from vibethinker.errors import SandboxUnavailable, VibeThinkerError
from vibethinker.runs.exit_codes import exit_code
from vibethinker.stages.recipe import recipe
from vibethinker.verifiers.sandbox import sandbox_problem

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Spectrum-to-Signal: turn a small base model into a strong reasoner, as one resumable, budgeted, recorded flow.",
)
ProfileName = Annotated[str, typer.Argument(help=f"A shipped profile ({', '.join(profile_names())}) or a .yaml file.")]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. --set mgpo.lambda_me=0. Repeatable."),
]
Workspace = Annotated[
    Path,
    typer.Option("--workspace", envvar="VIBETHINKER_WORKSPACE", help="Folder of sealed outputs, runs and the ledger."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
HERE = Path("workspace")


@app.command()
def run(profile: ProfileName, overrides: Override = None, workspace: Workspace = HERE) -> None:
    """Run the recipe; what is sealed already is reused.

    Example: vibethinker run tiny --set mgpo.lambda_me=0
    """
    chosen = _with_sandbox(load_profile(profile, overrides or ()), sandbox_problem)
    recipe(chosen)  # a missing file or model is said before anything starts
    from flows.services import prefect_api  # Prefect, MLflow and matplotlib take seconds to import

    prefect_api(workspace.resolve())
    from flows.ssp import ssp

    ssp(chosen, workspace)


@app.command()
def plan(profile: ProfileName, overrides: Override = None, workspace: Workspace = HERE, json: Json = False) -> None:
    """Show stages, what is reusable, and estimated device-hours and dollars, before anything is spent.

    Example: vibethinker plan paper-1.5b
    """
    from vibethinker.reports.plan import show_plan
    from vibethinker.stages.plan import make_plan

    show_plan(make_plan(load_profile(profile, overrides or ()), workspace), json)


@app.command()
def runs(workspace: Workspace = HERE, json: Json = False) -> None:
    """List runs with their stages, newest first.

    Example: vibethinker runs
    """
    from vibethinker.reports.runs import show_runs

    show_runs(workspace, json)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run's id as `vibethinker runs` lists it, or 'latest'.")] = "latest",
    workspace: Workspace = HERE,
    json: Json = False,
) -> None:
    """Show a run's report again, and write its HTML page anew.

    Example: vibethinker report latest
    """
    from vibethinker.reports.show import show_report

    show_report(workspace, run, json)


def _with_sandbox(profile: Profile, problem: Callable[[], str | None]) -> Profile:
    """The profile, or a demonstration's maths part where code can't be run safely. Raises SandboxUnavailable (promise 7)."""
    reason = problem() if "code" in profile.domains.values() else None
    if reason is None:
        return profile
    if not profile.demonstration:
        raise SandboxUnavailable(f"{profile.name} has code problems, and {reason}")
    print(f"No sandbox, so the code domain is left out: {reason}")
    return maths_part(profile)


def main() -> None:
    """Entry point: errors raised on purpose are one message and an exit code of their own."""
    set_defaults()
    warnings = logging.StreamHandler()
    warnings.setLevel(logging.WARNING)
    warnings.addFilter(lambda record: not record.name.startswith("prefect"))  # what it logs is in its UI
    warnings.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(warnings)
    try:
        app()
    except (VibeThinkerError, KeyboardInterrupt) as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
