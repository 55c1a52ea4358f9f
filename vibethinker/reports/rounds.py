"""Names of the spectrum's rounds: which one a node or a model belongs to.

The first round's names stand alone (`expert-algebra`, `fused`), a later round's begin with its own (`hard-expert-algebra`,
`hard-fused`); the last round's fused model is the student.
"""

import re

TITLES = {"": "First round", "hard": "Second round: hard problems", "student": "Student of the RL checkpoints"}
"""Round -> heading, in the order in which they are run."""
SHORT = {"": "first round", "hard": "second round", "student": "student's round"}
"""Round -> words inside a sentence."""
_NAME = re.compile(r"(?:(?P<round>[a-z]+)-)?(?P<rest>expert-.+|select|fuse|fused|traces|probing-sets)")


def round_of(name: str) -> str:
    """`hard` for `hard-expert-algebra`; empty for the first round, and for what belongs to none."""
    found = _NAME.fullmatch(name)
    return (found["round"] or "") if found else "student" if name == "student" else ""


def is_expert(name: str) -> bool:
    """Whether a model or a node is an expert's, of any round."""
    found = _NAME.fullmatch(name)
    return bool(found and found["rest"].startswith("expert-"))


def domain_of(name: str) -> str:
    """Domain of an expert's name; `all` for the one trajectory of the report's literal reading."""
    found = _NAME.fullmatch(name)
    assert found, name
    return found["rest"].removeprefix("expert-")


def expert_of(turn: str, domain: str) -> str:
    """The model's name of a round's expert."""
    return f"{turn}-expert-{domain}" if turn else f"expert-{domain}"


def fused_of(turn: str) -> str:
    """The model's name of a round's fusion."""
    return {"": "fused", "student": "student"}.get(turn, f"{turn}-fused")
