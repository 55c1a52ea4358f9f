"""A teacher ready to be asked: a model that is loaded here, one that this run made, or one that is served elsewhere."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson

from vibethinker.config.endpoint import EndpointSettings
from vibethinker.distillation.engines import EndpointTeacher, Finished
from vibethinker.distillation.teachers import Teacher
from vibethinker.errors import ConfigError
from vibethinker.models.pretrained import fetch_model
from vibethinker.rollout.fitting import FittingEngine
from vibethinker.rollout.local import LocalTextEngine
from vibethinker.rollout.text import TextEngine
from vibethinker.runs.work import Work
from vibethinker.stages.setting import load_engine, longest_of

TEACHERS = "teachers"
"""Folder in a stage's scratch space for what teachers said, and copies of their models."""


@contextmanager
def open_teacher(work: Work, teacher: Teacher, seed: int) -> Iterator[TextEngine]:
    """The engine that gives its responses; what it started, and a copy of the model made for it, end with the block.

    A teacher whose identity lies in work.scratch/teachers/<name>.json has answered all, and is not loaded again.
    Raises ConfigError where the model can't be had, EndpointFailed where the endpoint is away.
    """
    folder = work.scratch / TEACHERS
    known = folder / f"{teacher.name}.json"
    if known.exists():
        yield Finished(orjson.loads(known.read_bytes()))
    elif teacher.endpoint is not None:
        yield EndpointTeacher(EndpointSettings.model_validate_json(work.spec.places[teacher.name]))
    elif teacher.digest:
        copy = _fetched(work, teacher, folder)
        with _loaded(work, copy, seed) as engine:
            yield engine
        shutil.rmtree(copy)
    else:
        with _loaded(work, work.input(teacher.name) / "model", seed) as engine:
            yield engine


def _fetched(work: Work, teacher: Teacher, folder: Path) -> Path:
    """The model in Hugging Face layout, whole or not there at all."""
    copy, partial = folder / f"{teacher.name}.model", folder / f"{teacher.name}.partial"
    if not copy.exists():
        shutil.rmtree(partial, ignore_errors=True)
        try:
            fetch_model(work.spec.places[teacher.name], teacher.revision, partial)
        except ConfigError as error:
            raise ConfigError(str(error).replace("base.source", f"teacher {teacher.name!r}: source")) from error
        partial.rename(copy)
    return copy


@contextmanager
def _loaded(work: Work, folder: Path, seed: int) -> Iterator[TextEngine]:
    """Ended with the block; its memory is free once nobody holds the engine any more."""
    engine, tokenizer = load_engine(folder, work.spec.runtime, seed)
    with closing(engine):
        local = LocalTextEngine(engine, tokenizer, engine.rows, engine.identity)
        longest = longest_of(folder, work.spec.runtime)
        yield local if longest is None else FittingEngine(local, tokenizer, longest)
