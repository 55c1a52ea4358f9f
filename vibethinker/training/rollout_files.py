"""Graded rollouts on disk: written before the update that uses them, read back when a step is repeated (promise 2)."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vibethinker.records import Verdict
from vibethinker.rollout.engine import Completion
from vibethinker.runs.manifest import write_atomic
from vibethinker.training.signal import Rollout, Task

_SCHEMA = pa.schema(
    [
        ("round", pa.int32()),
        ("problem", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("logps", pa.list_(pa.float32())),
        ("finish_reason", pa.string()),
        ("verdict", pa.string()),
    ]
)


def write_rollouts(path: Path, rounds: Sequence[Sequence[Rollout]]) -> None:
    """One row a response, atomically. rounds: the step's own groups, then those of each refill.

    Log-probabilities are the engine's float32, so they are read back bit for bit.
    """
    rows = [
        {
            "round": number,
            "problem": rollout.task.problem.id,
            "token_ids": completion.token_ids,
            "logps": completion.logps,
            "finish_reason": completion.finish_reason,
            "verdict": verdict.model_dump_json(),
        }
        for number, rollouts in enumerate(rounds)
        for rollout in rollouts
        for completion, verdict in zip(rollout.completions, rollout.verdicts, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())


def read_rollouts(path: Path, tasks: Mapping[str, Task]) -> list[list[Rollout]]:
    """What `write_rollouts` wrote. tasks: by problem id."""
    rounds: list[list[Rollout]] = []
    rows = pq.read_table(path, schema=_SCHEMA).to_pylist()
    for (number, problem), group in groupby(rows, key=lambda row: (row["round"], row["problem"])):
        responses = list(group)
        while len(rounds) <= number:
            rounds.append([])
        completions = tuple(
            Completion(tuple(row["token_ids"]), tuple(row["logps"]), row["finish_reason"]) for row in responses
        )
        verdicts = tuple(Verdict.model_validate_json(row["verdict"]) for row in responses)
        rounds[number].append(Rollout(tasks[problem], completions, verdicts))
    return rounds
