"""What a source holds, for fingerprints, and when two questions are the same. Light: no pandas, pyarrow or torch."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from vibethinker.config.data import SourceSettings
from vibethinker.data.benchmark_files import benchmark_digest
from vibethinker.errors import ConfigError
from vibethinker.records import Problem

GENERATOR_VERSION = 1
"""Raise when a generator's rows change for the same seed: the stages they feed then get a new fingerprint."""

FORMS = (".jsonl", ".jsonl.gz", ".json", ".parquet", ".csv")
"""How the name of a source's file may end."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TOKEN = re.compile(r"\w+|[^\w\s${}]")


def source_digest(source: SourceSettings) -> str:
    """Identity of the rows a source holds: the file's sha256, the generator's version, the hub id and its revision, or a
    benchmark's own digest.

    A hub source without a revision is named by its id alone: nothing then notices when its rows change.
    """
    if source.generator:
        return f"generator:{source.generator}:{GENERATOR_VERSION}"
    if source.hub:
        return f"hub:{source.hub}@{source.revision}"
    if source.benchmark:
        return benchmark_digest(source.benchmark)
    path = source_path(source)
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise ConfigError(unreadable(source, error)) from error


def source_path(source: SourceSettings) -> Path:
    """The source's file, variables and `~` expanded.

    ConfigError if a variable is unset, there is no such file, or its name says that it is of no form that is read.
    """
    for braced, plain in _VARIABLE.findall(source.path):
        name = braced or plain
        if not os.environ.get(name):
            raise ConfigError(
                f"source {source.name!r}: path {source.path!r} needs the environment variable {name}, which is not "
                f"set; set it to the folder of the data files, or give a full path or a hub id"
            )
    expanded = _VARIABLE.sub(lambda found: os.environ[found[1] or found[2]], source.path)
    try:
        path = Path(expanded).expanduser()
        kind = (
            ""
            if path.is_file()
            else "is a folder"
            if path.is_dir()
            else "is no file"
            if path.exists()
            else "does not exist"
        )
    except (OSError, RuntimeError) as error:
        raise ConfigError(unreadable(source, error)) from error
    if kind:
        raise ConfigError(f"source {source.name!r}: path {source.path!r} (here {path}) {kind}; correct its path")
    if not path.name.lower().endswith(FORMS):
        raise ConfigError(
            f"source {source.name!r}: path {source.path!r} must end in one of {', '.join(FORMS)}; convert it"
        )
    return path


def unreadable(source: SourceSettings, error: Exception) -> str:
    """Message for a file that is there but can't be read as what its name says."""
    return f"source {source.name!r}: {source.path!r} can't be read: {error}; check the file, or its permissions"


def question_key(question: str, turns: Iterable[tuple[str, str]] = ()) -> str:
    """Sixteen hex digits, equal for questions that differ only in case, white space, `$`, braces or unicode form.

    Other symbols count here, unlike in decontamination: `3+4` and `3-4` are two problems. `turns`: (role, text), what was
    said before: "Why?" is another question after another answer.
    """
    said = "\n".join([*(text for _, text in turns), question])
    tokens = _TOKEN.findall(unicodedata.normalize("NFKC", said).lower())
    return hashlib.sha256(" ".join(tokens).encode()).hexdigest()[:16]


def question_keys(problem: Problem) -> set[str]:
    """The `question_key` of each question that the row holds: its own and those of earlier turns, each after what was said
    before it, system prompts aside."""
    said = [*((role, text) for role, text in problem.turns if role != "system"), ("user", problem.question)]
    return {question_key(text, said[:i]) for i, (role, text) in enumerate(said) if role == "user"}


def seeded_order(ids: Iterable[str], seed: int) -> list[str]:
    """The ids shuffled by sha256(seed, id): two ids keep their order whatever rows come or go around them."""
    return sorted(ids, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
