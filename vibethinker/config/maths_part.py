"""A profile without its code domains: what the demonstration runs where no sandbox is (promise 7)."""

from vibethinker.config.profile import Profile


def maths_part(profile: Profile) -> Profile:
    """The same profile without code domains, their sources, and MGPO stages and teachers that have no other domain."""
    kept = {d for d, verifier in profile.domains.items() if verifier != "code"}
    values = profile.model_dump()
    values["domains"] = {d: v for d, v in values["domains"].items() if d in kept}
    values["data"]["sources"] = [s for s in values["data"]["sources"] if not s["domain"] or s["domain"] in kept]
    stages = [s | {"domains": [d for d in s["domains"] if d in kept]} for s in values["mgpo"]["stages"]]
    values["mgpo"]["stages"] = [s for s in stages if s["domains"]]
    if distillation := values["distillation"]:
        asked = [(t, [d for d in t["domains"] if d in kept]) for t in distillation["teachers"]]
        distillation["teachers"] = [t | {"domains": left} for t, left in asked if left or not t["domains"]]
    return Profile.model_validate(values)
