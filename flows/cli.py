"""The command line, `vibethinker`."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.environment import set_defaults
from vibethinker.config.load import load_profile, profile_names
from vibethinker.errors import VibeThinkerError
from vibethinker.runs.exhausted import exhausted
from vibethinker.runs.exit_codes import FAILED, exit_code
from vibethinker.stages.preflight import preflight, refuse

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
    chosen = load_profile(profile, overrides or ())
    refuse(preflight(chosen, workspace))  # the flow asks again; here it is said before a server is started
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


@app.command()
def deploy(
    profiles: Annotated[list[str] | None, typer.Argument(help="Profiles; all shipped ones if none is named.")] = None,
    workspace: Workspace = HERE,
    pool: Annotated[str, typer.Option(help="Work pool; made as a process pool where there is none.")] = "vibethinker",
) -> None:
    """Register deployments with the Prefect server that PREFECT_API_URL names: each profile, and its retraining.

    Example: vibethinker deploy tiny smollm2
    """
    chosen = [load_profile(name) for name in profiles or profile_names()]
    from flows.services import check_server

    check_server()
    from flows.deployments import deploy as register

    for name in register(chosen, workspace.resolve(), pool):
        print(name)


@app.command()
def up(
    workspace: Workspace = HERE,
    prefect_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Prefect's server and UI.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of MLflow's server and UI.")] = 5000,
) -> None:
    """Start Prefect, MLflow and a worker on this machine, with every profile deployed; Ctrl-C stops them.

    Example: vibethinker up
    """
    from flows.stack import up as start

    start(workspace.resolve(), prefect_port, mlflow_port)


@app.command()
def rollback(
    profile: ProfileName,
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded with the version that is taken back.")],
    overrides: Override = None,
    workspace: Workspace = HERE,
    json: Json = False,
) -> None:
    """Make the previous champion champion again, its registered files compared with their digest first.

    Example: vibethinker rollback tiny --reason "answers got longer"
    """
    from tasks.rollback import rollback as take_back
    from vibethinker.reports.rollback import show_rollback

    show_rollback(take_back(load_profile(profile, overrides or ()), workspace, reason), json)


@app.command()
def doctor(
    profile: ProfileName = "tiny", overrides: Override = None, workspace: Workspace = HERE, json: Json = False
) -> None:
    """Check this machine for a profile, and say what a run would use. Exit code 1 where a run can't start.

    Example: vibethinker doctor smollm2
    """
    from vibethinker.reports.doctor import show_doctor

    findings = preflight(load_profile(profile, overrides or ()), workspace)
    show_doctor(findings, json)
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(1)


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
    except Exception as error:
        if (said := exhausted(error)) is None:
            raise
        print(f"\n{said}", file=sys.stderr)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
