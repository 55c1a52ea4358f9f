"""What of a profile can run on this machine (promise 7)."""

from collections.abc import Callable

from vibethinker.config.maths_part import maths_part
from vibethinker.config.profile import Profile
from vibethinker.errors import SandboxUnavailable
from vibethinker.verifiers.sandbox import sandbox_problem


def runnable(profile: Profile, problem: Callable[[], str | None] = sandbox_problem) -> tuple[Profile, str]:
    """The profile, or a demonstration's maths part and why, where code can't be run safely. Raises SandboxUnavailable."""
    reason = problem() if "code" in profile.domains.values() else None
    if reason is None:
        return profile, ""
    if not profile.demonstration:
        raise SandboxUnavailable(f"{profile.name} has code problems, and {reason}")
    return maths_part(profile), f"No sandbox, so the code domain is left out: {reason}"
