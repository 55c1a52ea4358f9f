"""Responses that degenerate into repetition are no traces to learn from [B: anomalous repetition and template degeneration].

The report gives no test; this is ours. A passage counts as repeated where its text stands in the response at least `TIMES`
times, white space aside. A program that is drafted and then given stands there two or three times and does not count; a
loop, or one sentence with a new number each time that runs on for pages, does. A response is degenerate where passages
that are repeated so often make up more than `MAX_SHARE` of it.
"""

from collections import Counter

PASSAGE = 64
"""Characters: a dozen words, so that formulas and set phrases may come again."""
TIMES = 4
MAX_SHARE = 0.3


def repeated_share(text: str) -> float:
    """Share, in [0, 1], of the text's passages that stand in it at least `TIMES` times; 0 for a text shorter than one.

    Passages are all runs of `PASSAGE` characters, overlapping ones too.
    """
    plain = " ".join(text.split())
    passages = Counter(plain[i : i + PASSAGE] for i in range(len(plain) - PASSAGE + 1))
    repeated = sum(times for times in passages.values() if times >= TIMES)
    return repeated / max(passages.total(), 1)


def degenerate(text: str) -> bool:
    """Whether repeated passages make up more than `MAX_SHARE` of the text."""
    return repeated_share(text) > MAX_SHARE
