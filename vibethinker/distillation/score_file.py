"""Scores of traces on disk: a stage that was stopped does not score them again."""

import json
from collections.abc import Mapping
from pathlib import Path

Key = tuple[str, str, int]
"""Teacher, problem's id, sample."""
Score = tuple[int, float]
"""Tokens, S_LP."""


def read_scores(path: Path) -> dict[Key, Score]:
    """All that were kept there. A last line that a kill tore is removed: its chunk is scored again as it was, to the bit."""
    if not path.exists():
        return {}
    written = path.read_bytes()
    whole = written[: written.rfind(b"\n") + 1]
    if len(whole) < len(written):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    rows = [row for line in whole.splitlines() for row in json.loads(line)]
    return {(teacher, problem, sample): (tokens, score) for teacher, problem, sample, tokens, score in rows}


def append_scores(path: Path, scores: Mapping[Key, Score]) -> None:
    """One line, so that a chunk is there whole or not at all."""
    with path.open("a") as file:
        file.write(json.dumps([(*key, *score) for key, score in scores.items()]) + "\n")
