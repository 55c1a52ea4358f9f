"""Exit codes of stages and of the command line: what ended, told apart by scripts and by the launcher."""

from vibethinker.errors import BudgetExceeded, Preempted

SEALED = 0
FAILED = 1
PREEMPTED = 75
"""Told to stop: checkpointed and left; the same command continues (EX_TEMPFAIL)."""
OUT_OF_BUDGET = 76
"""The budget's limit is reached; after raising it the same command continues."""


def exit_code(error: BaseException | None) -> int:
    """Exit code for what a stage or a run ended with; None is success."""
    match error:
        case None:
            return SEALED
        case BudgetExceeded():
            return OUT_OF_BUDGET
        case Preempted() | KeyboardInterrupt():
            return PREEMPTED
        case _:
            return FAILED
