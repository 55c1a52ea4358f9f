"""`python -m vibethinker.verifiers.maths_worker`: {"gold", "answer", "seconds"} lines in, {"equal"} out.

Before each question it bounds its own CPU time: one that is too hard ends the process, even if nobody is left to do so.
"""

import json
import logging
import math
import os
import resource
import sys
import time

from math_verify import LatexExtractionConfig, parse, verify
from sympy.core.random import seed

_MEMORY_BYTES = 2 * 1024**3
_LATEX_ONLY = (LatexExtractionConfig(),)  # the plain-expression reader evaluates text as Python


def _bound_cpu(seconds: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, hard))


def _parse(text: str) -> list[object]:
    return list(parse(f"${text}$", extraction_config=_LATEX_ONLY, fallback_mode="no_fallback", parsing_timeout=None))


def equal(gold: str, answer: str) -> bool:
    """math-verify is not symmetric: both ways round must agree."""
    seed(0)
    left, right = _parse(gold), _parse(answer)
    both_ways = ((left, right), (right, left))
    return all(bool(a and b and verify(a, b, timeout_seconds=None)) for a, b in both_ways)


def main() -> None:
    """Serves until its standard input ends."""
    logging.disable(logging.CRITICAL)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, hard))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing that a library prints may stand between the answers
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        _bound_cpu(question["seconds"])
        print(json.dumps({"equal": equal(question["gold"], question["answer"])}), file=answers, flush=True)


if __name__ == "__main__":
    main()
