"""A stage of a run as data: everything that makes up its identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vibethinker.config.endpoint import EndpointSettings
from vibethinker.config.profile import Profile

SPEED = {"concurrency", "timeout", "retries", "api_key_env"}
"""Settings of an endpoint that change no response."""


@dataclass(frozen=True)
class Node:
    """One stage of a run, with everything that makes up its identity."""

    name: str
    """E.g. `expert-algebra`."""
    stage: str
    """Module of `vibethinker.stages`."""
    settings: Mapping[str, Any]
    """Settings that change the result."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Input name -> node."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where outside files lie, and how endpoints are reached; not part of the identity, which has their digests."""
    together: int = 1
    """How many nodes of this kind may run at once with it."""


def common(profile: Profile) -> dict[str, Any]:
    """What every stage that generates or trains is made with."""
    chat = {"system_prompt": profile.base.system_prompt, "prompt": profile.base.prompt}
    grading = {"code": dict(profile.code_limits)}
    compute = profile.compute
    how = {"precision": compute.precision, "engine": compute.engine.kind}
    return {"chat": chat, "grading": grading, "seed": profile.seed, **how}


def served(endpoint: EndpointSettings | None) -> dict[str, Any] | None:
    """What of an endpoint may change a response; how fast it is asked may not."""
    return endpoint.model_dump(exclude=SPEED) if endpoint else None
