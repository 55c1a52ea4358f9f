"""A profile without its code domains: what the demonstration runs where no sandbox is (promise 7)."""

from vibethinker.config.profile import Profile


def maths_part(profile: Profile) -> Profile:
    """The same profile without code domains, their sources, and MGPO stages that have no other domain."""
    kept = {d for d, verifier in profile.domains.items() if verifier != "code"}
    values = profile.model_dump()
    values["domains"] = {d: v for d, v in values["domains"].items() if d in kept}
    values["data"]["sources"] = [s for s in values["data"]["sources"] if not s["domain"] or s["domain"] in kept]
    stages = [s | {"domains": [d for d in s["domains"] if d in kept]} for s in values["mgpo"]["stages"]]
    values["mgpo"]["stages"] = [s for s in stages if s["domains"]]
    return Profile.model_validate(values)
