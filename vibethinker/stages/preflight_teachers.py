"""What can be known of a profile's teachers before a run starts. Endpoints are asked for a few tokens."""

from dataclasses import replace

from vibethinker.config.distillation import TeacherSettings
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.config.profile import Profile
from vibethinker.errors import ConfigError, EndpointFailed
from vibethinker.models.folder import model_positions
from vibethinker.models.identity import model_folder
from vibethinker.runs.finding import Finding, wrong


def check_teachers(profile: Profile) -> list[Finding]:
    """One finding a teacher, and one for who writes probing problems."""
    teachers = profile.distillation.teachers if profile.distillation else ()
    found = [_check_teacher(teacher) for teacher in teachers]
    if profile.probing_set:
        found.append(_check_served("probing sets", profile.probing_set.endpoint))
    return found


def _check_teacher(teacher: TeacherSettings) -> Finding:
    name = f"teacher {teacher.name}"
    if teacher.endpoint:
        return _check_served(name, teacher.endpoint)
    try:
        folder = model_folder(teacher.source)
    except ConfigError as error:
        found = wrong(name, error)
        return replace(found, text=found.text.removeprefix("base."))
    place = f"folder {folder}" if folder else f"{teacher.source}, revision {teacher.revision or 'main'}"
    positions, wanted = model_positions(folder) if folder else None, teacher.sampling.max_response_tokens
    if positions and wanted > positions:
        text = f"{place}, made for texts of {positions} tokens, below its max_response_tokens of {wanted}"
        return Finding(name, "problem", text, "lower it, or give a model for longer texts")
    return Finding(name, "ok", place)


def _check_served(name: str, endpoint: EndpointSettings) -> Finding:
    from vibethinker.rollout.endpoint import EndpointEngine  # openai takes a second to import

    try:
        EndpointEngine(endpoint).check()
    except (ConfigError, EndpointFailed) as error:
        return wrong(name, error)
    return Finding(name, "ok", f"{endpoint.model} at {endpoint.base_url}")
