"""Spectrum-to-Signal: from a base model and problem sets to a promoted reasoning model [A 3].

ingest -> decontaminate -> split by domain -> [expert SFT + Pass@K probes] x N in parallel -> select -> fuse
  -> MGPO maths, short window -> MGPO maths, long window -> MGPO code -> benchmark suite -> register -> promote

Where a profile asks for them, the second report's rounds too: experts again on hard problems after the first fusion, and
a student of the RL checkpoints after the last MGPO stage [B].
"""

from pathlib import Path

from tasks.context import opened_run
from tasks.data import decontaminate, ingest, split
from tasks.ending import recipe_flow
from tasks.evaluation import benchmark
from tasks.recipe import profile_of, recipe_job
from tasks.registry import promote, register
from tasks.reinforcement import mgpo
from tasks.reporting import report
from tasks.spectrum import base, expert, fuse, select, traces
from vibethinker.config.profile import Profile
from vibethinker.runs.manifest import Manifest
from vibethinker.stages.recipe import benchmark_models, final_model
from vibethinker.stages.rounds import Round, spectrum, student


@recipe_flow("ssp", run_name="{profile.name}")
def ssp(profile: Profile, workspace: Path = Path("workspace")) -> str:
    """Runs the recipe; sealed stages of earlier runs in the same workspace are reused. Returns the run's id.

    Args:
        profile: Settings of the run; what is wrong among them is said before anything starts.
        workspace: Folder of sealed outputs, runs and the ledger.
    """
    with opened_run(recipe_job(profile, workspace), workspace, at_end=report) as opened:
        run, profile = opened.run, profile_of(opened)
        problems = ingest(run)
        clean = decontaminate(run, problems)
        sets = split(run, problems, clean)
        models = {"base": base(run, sets)}

        # Spectrum: specialists with the broadest Pass@K, averaged into one model [A 3.3]; [B] has a second round
        for turn in spectrum(profile):
            models |= train_round(run, turn, list(models.values()))

        # Signal: MGPO amplifies what verifies inside that spectrum, stage by stage [A 3.2, 3.4]
        model = models[turn.fuse.name]
        for stage in profile.mgpo.stages:
            models[f"mgpo-{stage.name}"] = model = mgpo(run, stage.name, model, sets)
        if last := student(profile):  # of the RL checkpoints' own traces [B]
            models |= train_round(run, last, list(models.values()))

        # Evidence: the reported suite for every model, and the promotion set for the last one [A 4.1]
        measured = benchmark_models(profile)
        final = final_model(profile)
        model = models[measured[final][0]]
        suite = {
            name: benchmark.submit(run, f"benchmark-{name}", models[node], sets) for name, (node, _) in measured.items()
        }
        gate = benchmark.submit(run, f"gate-{final}", model, sets)
        scores = {name: future.result().metrics for name, future in suite.items()}
        version = register(run, measured[final][0], model, scores[final])
        promote(run, version, gate.result())
    return run


def train_round(run: str, turn: Round, made: list[Manifest]) -> dict[str, Manifest]:
    """Traces, experts in parallel, the best checkpoint of each by Pass@K, their average. made: all models so far."""
    for node in turn.traces:
        made = [*made, traces(run, node.name, made)]
    trained = [expert.submit(run, node.name, made) for node in turn.experts]
    selected = select(run, turn.select.name, [e.result() for e in trained])
    return {turn.select.name: selected, turn.fuse.name: fuse(run, turn.fuse.name, selected)}
