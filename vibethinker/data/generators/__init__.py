"""Seeded streams of problems that are written by this package: the demonstration's data."""

import random
import re
from collections.abc import Callable, Iterator

from vibethinker.data.generators import algebra, calculus, code, geometry, statistics
from vibethinker.data.generators.template import Draft, Template
from vibethinker.errors import ConfigError, DataError
from vibethinker.records import Problem

TINY: dict[str, tuple[Template, ...]] = {
    "algebra": algebra.TEMPLATES,
    "geometry": geometry.TEMPLATES,
    "calculus": calculus.TEMPLATES,
    "statistics": statistics.TEMPLATES,
    "code": code.TEMPLATES,
}
"""Domain -> templates of the `tiny` generator."""


def _key(question: str) -> str:
    """The question as the decontamination rule sees it: lower-case words, symbols dropped."""
    return " ".join(re.findall(r"[a-z0-9]+", question.lower()))


def tiny_drafts(domain: str, seed: int) -> Iterator[Draft]:
    """Every problem of the domain once, in an order that `seed` fixes. Distinct as normalised questions."""
    if domain not in TINY:
        raise ConfigError(f"generator 'tiny' has no domain {domain!r}; it has {sorted(TINY)}")
    cases = [(template.build, case) for template in TINY[domain] for case in template.cases()]
    random.Random(f"tiny/{domain}/{seed}").shuffle(cases)
    seen: set[str] = set()
    for build, case in cases:
        draft = build(*case)
        key = _key(draft.question)
        if key not in seen:
            seen.add(key)
            yield draft._replace(traces=tuple(dict.fromkeys(draft.traces)))
    raise DataError(
        f"generator 'tiny' has {len(seen)} distinct problems in domain {domain!r} and more were asked for: "
        "lower limit or skip of the sources that use it"
    )


GENERATORS: dict[str, Callable[[str, int], Iterator[Draft]]] = {"tiny": tiny_drafts}
"""Generator -> function of domain and seed that streams drafts until its space is used up (then DataError)."""


def generate(generator: str, domain: str, seed: int, source: str) -> Iterator[Problem]:
    """Stream of distinct problems, ids `<generator>/<domain>/<n>`; the same arguments give the same stream, so rows
    taken after a skip are disjoint from those before it. Unknown names: ConfigError; past the last problem: DataError."""
    if generator not in GENERATORS:
        raise ConfigError(f"unknown generator {generator!r}; there are {sorted(GENERATORS)}")
    verifier = "code" if domain == "code" else "maths"
    for n, draft in enumerate(GENERATORS[generator](domain, seed)):
        yield Problem(
            id=f"{generator}/{domain}/{n}", domain=domain, verifier=verifier, source=source, **draft._asdict()
        )
