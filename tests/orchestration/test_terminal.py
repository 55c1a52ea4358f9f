"""The commands as they look: in a terminal of 80 columns, without colours, in a pipe, and when they fail or are stopped."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.conftest import MICRO, ROOT
from vibethinker.config.load import load_profile
from vibethinker.runs.record import NodeState, RunStore

ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3|4|9|10)\d[;m]")
WIDTH = 80


class Screen:
    """What a command wrote to a pseudo-terminal of 80 columns."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], interrupt_at: str = "") -> None:
        """interrupt_at: Ctrl-C is typed when this text has appeared."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDTH, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C reaches those whose terminal it is
        )
        os.close(theirs)
        self.raw = ""
        while part := _read(ours):
            self.raw += part
            if interrupt_at and interrupt_at in self.raw:
                os.write(ours, b"\x03")
                interrupt_at = ""
        os.close(ours)
        self.code = process.wait(timeout=60)
        self.lines = [line.rstrip() for line in re.split(r"[\r\n]+", ESCAPE.sub("", self.raw)) if line.strip()]

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join(" ".join(self.lines).split())

    def widest(self) -> int:
        """Columns; commands and paths to be copied are left to the terminal to wrap."""
        return max(
            cell_len(line) for line in self.lines if not line.startswith(("  vibethinker ", "/", "  log ", "  MLflow "))
        )


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 1 << 16).decode(errors="replace")
    except OSError:  # the last process has closed it
        return ""


@pytest.fixture
def environment(vibethinker: Any) -> dict[str, str]:
    unset = ("COLUMNS", "NO_COLOR", "FORCE_COLOR")
    return {k: v for k, v in vibethinker.environment.items() if k not in unset} | {"TERM": "xterm-256color"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that ended early; the names are the longest there are."""
    folder = tmp_path_factory.mktemp("[bold] workspace")
    settings = load_profile("paper-1.5b-trajectory").model_dump(mode="json")
    for status in ("out_of_budget", "preempted"):
        nodes = {
            name: NodeState(path=f"stages/{name}", fingerprint="0" * 64, status=ended, seconds=90.0, dollars=123.45)
            for name, ended in {"ingest": "sealed", "benchmark-expert-statistics": "failed", "gate": "pending"}.items()
        }
        RunStore.create(folder, "paper-1.5b-trajectory", settings, nodes).update(status=status)
    return folder


COMMANDS = ["run --help", "benchmark --help", "plan paper-1.5b", "runs", "report", "doctor smollm2", "run tinny"]


@pytest.mark.parametrize("command", COMMANDS)
def test_fits_into_80_columns_and_nothing_is_cut(environment: dict[str, str], workspace: Path, command: str) -> None:
    screen = Screen([*command.split()], environment | {"VIBETHINKER_WORKSPACE": str(workspace)})
    assert screen.widest() <= WIDTH
    assert "…" not in screen.text and "Traceback" not in screen.text
    assert screen.code == 0 or command in ("doctor smollm2", "run tinny")


def test_colours_only_where_they_are_wanted(environment: dict[str, str], workspace: Path) -> None:
    plan = ["plan", "tiny", "--set", "budget.limit=0.001"]
    coloured, plain = Screen(plan, environment), Screen(plan, environment | {"NO_COLOR": "1"})
    assert COLOUR.search(coloured.raw) and not COLOUR.search(plain.raw)
    assert coloured.lines == plain.lines and "is above what is left" in plain.text
    dumb = Screen(["run", "tinny"], environment | {"TERM": "dumb"})
    assert "\x1b" not in dumb.raw and "ConfigError: " in dumb.text


@pytest.mark.parametrize("command", ["plan tiny", "runs", "run tinny", "run --foo"])
def test_a_pipe_gets_no_escape_codes(environment: dict[str, str], workspace: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *command.split()],
        cwd=ROOT,
        env=environment | {"VIBETHINKER_WORKSPACE": str(workspace)},
        capture_output=True,
        text=True,
    )
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", done.stdout + done.stderr)
    assert bool(done.stderr) == bool(done.returncode) != bool(done.stdout)


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["run", "tinny"], 1, "ConfigError: no profile named 'tinny'; | did you mean tiny?"),
        (["run", "tests/micro"], 1, "did you mean tests/micro.yaml?"),
        (["plan", "[/bold]x.yaml"], 1, "'[/bold]x.yaml' can't be read: No such file"),
        (["runn"], 2, "UsageError: No such command 'runn'. | 'run' | See `vibethinker --help`."),
        (["run", "tiny", "--worksapce", "x"], 2, "--workspace | See `vibethinker run --help`."),
        (["run"], 2, "UsageError: Missing argument | See `vibethinker run --help`."),
        (["rollback", "tiny"], 2, "UsageError: Missing option '--reason'. | See `vibethinker rollback --help`."),
        (["benchmark", "x/y", "--suite", "smal"], 1, "no suite named 'smal' | did you mean small?"),
        (["up", "--mlflow-port", "70000"], 2, "'--mlflow-port' | less than or equal to 65535"),
    ],
)
def test_an_error_is_one_message_on_stderr(vibethinker: Any, arguments: list[str], code: int, words: str) -> None:
    done = vibethinker(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert [w for w in words.split(" | ") if w not in done.stderr] == [], done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2  # the second says where to look


def test_version_and_no_command(vibethinker: Any) -> None:
    assert re.fullmatch(r"vibethinker \d+\.\d+\.\d+\n", vibethinker("--version").stdout)
    alone = vibethinker()
    assert (alone.returncode, alone.stdout) == (0, vibethinker("--help").stdout)
    commands = re.findall(r"^  ([a-z]+)  ", alone.stdout.split("Commands:")[1], re.MULTILINE)
    assert commands == ["doctor", "plan", "run", "benchmark", "fuse", "runs", "report", "deploy", "up", "rollback"]


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; from flows.cli import app; app(['run', '--help'], standalone_mode=False); "
        "sys.exit(', '.join({'torch', 'prefect', 'mlflow', 'matplotlib', 'pandas', 'transformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "Exit codes:" in done.stdout


def test_no_runs_and_what_to_do(vibethinker: Any, tmp_path: Path) -> None:
    done = vibethinker("runs", "--workspace", str(tmp_path / "none"))
    assert done.returncode == 0 and "start one with `vibethinker run tiny`" in done.stdout


def test_ctrl_c_ends_with_the_command_that_continues(environment: dict[str, str], tmp_path: Path) -> None:
    command = ["run", str(MICRO), "--workspace", str(tmp_path)]
    screen = Screen(command, environment, interrupt_at="MLflow")
    assert screen.code == 75
    assert screen.widest() <= WIDTH
    report, error = screen.text.index("report.html"), screen.text.index("Preempted: ")
    assert report < error < screen.text.index("Continue with:")
    assert screen.lines[-1] == f"  vibethinker {' '.join(command)}"
    log = next(tmp_path.glob("runs/*/log.txt")).read_text()
    assert "SIGINT" in log and "preempted: Preempted: " in log and "\x1b" not in log


def test_a_failed_stage_in_a_pipe(vibethinker: Any, tmp_path: Path) -> None:
    done = vibethinker("run", str(MICRO), "--set", "data.splits.rl=70", "--workspace", str(tmp_path))
    assert done.returncode == 1
    assert "Stages that did not run: base, " in done.stdout and "\x1b" not in done.stdout + done.stderr
    assert done.stderr.startswith("\nStageFailed: split ended with exit code 1; log ")
    assert "DataError: " in done.stderr and "lower data.splits" in done.stderr
    assert done.stderr.endswith(
        f"mended, continue with:\n  vibethinker run {MICRO} --set data.splits.rl=70 --workspace {tmp_path}\n"
    )
    lines = next(tmp_path.glob("runs/*/log.txt")).read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +\S", line) for line in lines)
    assert any("failed: StageFailed: split ended" in line for line in lines)
    runs = vibethinker("runs", "--workspace", str(tmp_path)).stdout
    assert "failed" in runs and "its command again" in runs and "log.txt" in runs
