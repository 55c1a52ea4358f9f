"""Expert SFT with Pass@K probes along the trajectory; only checkpoints that can still win are kept [A 3.3]."""

from collections.abc import Callable
from pathlib import Path

import orjson

from vibethinker.config.sft import SftSettings
from vibethinker.config.training import ProbeSettings
from vibethinker.data.tables import read_problems
from vibethinker.models.checkpoint import save_model
from vibethinker.models.lora import add_lora
from vibethinker.runs.manifest import Manifest, write_atomic
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.candidates import hand_out, keep_leaders
from vibethinker.stages.probes import Prober, probing_sets
from vibethinker.stages.setting import Setting, open_setting
from vibethinker.stages.trajectory import Checkpoint
from vibethinker.training.documents import Document, tokenise
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.parallel import from_first
from vibethinker.training.schedule import cosine
from vibethinker.training.sft import SftObjective, count_steps


def run(spec: StageSpec) -> Manifest:
    """Seals trajectory.json, checkpoints/step-<n>/ of the checkpoints that lead in some domain under some rule, and final/."""
    with open_work(spec) as work, open_setting(spec, work.input("start") / spec.settings["start"]) as setting:
        sft = SftSettings.model_validate(spec.settings["sft"])
        probe = ProbeSettings.model_validate(spec.settings["probe"])
        if sft.lora:
            add_lora(setting.model, sft.lora, setting.seed)
        domains = spec.settings["domains"]
        traced = [p for p in read_problems(work.input("traces") / "sft.parquet") if p.domain in domains]
        documents, too_long = tokenise(
            traced, setting.tokenizer, setting.templates, setting.system_prompt, sft.max_length
        )
        sets = probing_sets(read_problems(work.input("probes") / "probe.parquet"), domains, setting, sft.max_length)
        prober = Prober(setting, work, probe, sets, sft.tokens_per_micro_batch)
        start = from_first(lambda: _once(work.scratch / "start.json", lambda: prober.measure(0, 0.0)))
        history = _train(spec, work, setting, sft, documents, prober)
        last = history[-1]
        trajectory = {"k": probe.k, "checkpoints": [start, *history]}
        (work.out / "trajectory.json").write_bytes(orjson.dumps(trajectory, option=orjson.OPT_INDENT_2))
        hand_out(work.scratch / "candidates", work.out / "checkpoints", work.out / "final", last["step"])
        return work.seal({"steps": last["step"], "rows": len(documents), "too_long": too_long, "loss": last["loss"]})


def _train(
    spec: StageSpec, work: Work, setting: Setting, sft: SftSettings, documents: list[Document], prober: Prober
) -> list[Checkpoint]:
    """The trajectory after its start."""
    objective = SftObjective(
        setting.model,
        documents,
        sft.batch_size,
        sft.tokens_per_micro_batch,
        setting.seed,
        sft.max_length if sft.batch_of == "packs" else 0,
    )
    steps = count_steps(objective.units, sft.batch_size, sft.epochs, sft.max_steps)
    settings = LoopSettings(
        steps=steps,
        schedule=cosine(sft.learning_rate, sft.min_learning_rate, sft.warmup, steps),
        weight_decay=sft.weight_decay,
        max_grad_norm=sft.max_grad_norm,
        checkpoint_every=prober.probe.every,
        precision=spec.settings["precision"],
        gradient_checkpointing=sft.gradient_checkpointing,
    )

    def save(folder: Path) -> None:
        save_model(folder, setting.model, setting.tokenizer)

    def on_checkpoint(step: int, loss: float) -> Checkpoint:
        point = prober.measure(step, loss)
        keep_leaders(work.scratch / "candidates", point, prober.probe.k, save)
        return point

    return train(setting.model, objective, settings, work.scratch, work.tracker, work.stop, on_checkpoint, spec.node)


def _once(path: Path, make: Callable[[], Checkpoint]) -> Checkpoint:
    """What make() returned the first time: to probe the start model again would forget what the probe that was cut off sampled."""
    if not path.exists():
        write_atomic(path, orjson.dumps(make()))
    return dict(orjson.loads(path.read_bytes()))
