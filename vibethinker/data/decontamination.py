"""Training rows that share text with a benchmark question go: normalised words, any shared n-gram [A 3.5]."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from vibethinker.records import Problem, Record

_WORD = re.compile(r"[^\W_]+")
_ASCII_SPACES = {code: " " for code in range(128) if not chr(code).isalnum()}

Words = tuple[str, ...]


class Hit(Record):
    """One training row that overlaps one benchmark question."""

    train_id: str
    """Id of the training problem."""
    benchmark_id: str
    """Id of the benchmark problem."""
    span: str
    """The longest run of matched words, normalised."""
    coverage: float
    """Share of the benchmark question's words inside matches, 0..1: near 0 is boilerplate, 1 is the whole question."""
    whole: bool
    """The question is shorter than the n-gram and equals the training question word for word."""


class _Index:
    """n-grams of benchmark questions, and the questions too short to have one."""

    def __init__(self, benchmark: Sequence[Problem], ngram: int) -> None:
        self.ngram = ngram
        self.ids = [problem.id for problem in benchmark]
        self.words = [normalise(problem.question) for problem in benchmark]
        self.places: defaultdict[Words, list[tuple[int, int]]] = defaultdict(list)
        self.short: defaultdict[Words, list[int]] = defaultdict(list)
        for item, words in enumerate(self.words):
            if 0 < len(words) < ngram:
                self.short[tuple(words)].append(item)
            for position, gram in enumerate(ngrams(words, ngram)):
                self.places[gram].append((item, position))


def normalise(text: str) -> list[str]:
    """Words of a text: unicode NFKC, lower case, punctuation and symbols as spaces.

    A space and not nothing, since `\\frac{1}{2}` must not become one word `frac12`.
    """
    if text.isascii():  # the same words as below, at twice the speed
        return text.lower().translate(_ASCII_SPACES).split()
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def ngrams(words: Sequence[str], n: int) -> Iterator[Words]:
    """All runs of n consecutive words, in order; none if there are fewer than n words."""
    return zip(*(words[start:] for start in range(n)), strict=False)


def find_overlaps(train: Sequence[Problem], benchmark: Sequence[Problem], ngram: int) -> list[Hit]:
    """Every pair of a training row (question, earlier turns and traces) and a benchmark question that share a run of `ngram`
    words.

    Benchmark questions shorter than that match a training question or turn equal to them as a whole. In the order of `train`.
    """
    index = _Index(benchmark, ngram)
    return [hit for problem in train for hit in _hits(problem, index)]


def decontaminate(
    train: Sequence[Problem], benchmark: Sequence[Problem], ngram: int
) -> tuple[list[Problem], list[Hit]]:
    """The training rows without any overlap, in their order, and the hits of all the others."""
    hits = find_overlaps(train, benchmark, ngram)
    dirty = {hit.train_id for hit in hits}
    return [problem for problem in train if problem.id not in dirty], hits


def _hits(problem: Problem, index: _Index) -> list[Hit]:
    asked = [normalise(text) for text in (problem.question, *(text for _, text in problem.turns))]
    runs: defaultdict[int, set[int]] = defaultdict(set)
    for words in (*asked, *map(normalise, problem.traces)):
        # Most rows share nothing: this asks for all of a row's n-grams without a Python loop.
        if not index.places.keys().isdisjoint(ngrams(words, index.ngram)):
            for gram in ngrams(words, index.ngram):
                for item, position in index.places.get(gram, ()):
                    runs[item].add(position)
    whole = [
        Hit(train_id=problem.id, benchmark_id=index.ids[item], span=" ".join(words), coverage=1.0, whole=True)
        for words in asked
        for item in index.short.get(tuple(words), ())
    ]
    return whole + [_ngram_hit(problem.id, index, item, runs[item]) for item in sorted(runs)]


def _ngram_hit(train_id: str, index: _Index, item: int, positions: set[int]) -> Hit:
    """`positions`: starts, in the benchmark question's words, of the n-grams that matched."""
    words = index.words[item]
    covered = {start + offset for start in positions for offset in range(index.ngram)}
    first, last = _longest_run(sorted(positions))
    return Hit(
        train_id=train_id,
        benchmark_id=index.ids[item],
        span=" ".join(words[first : last + index.ngram]),
        coverage=len(covered) / len(words),
        whole=False,
    )


def _longest_run(numbers: Sequence[int]) -> tuple[int, int]:
    """First and last of the longest stretch of consecutive numbers in a rising, non-empty sequence."""
    best = (numbers[0], numbers[0])
    start = numbers[0]
    for before, number in pairwise(numbers):
        start = start if number == before + 1 else number
        if number - start > best[1] - best[0]:
            best = (start, number)
    return best
