"""The deployments on a Prefect server: two per profile, one to reproduce it by hand and one to train again by schedule."""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.types.entrypoint import EntrypointType
from prefect.workers.process import ProcessWorker

from flows.ssp import ssp
from vibethinker.config.profile import Profile

WEEKLY = CronSchedule(cron="0 3 * * 1", timezone="UTC")
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
"""Schedules don't wait for a missed run: after downtime only one of the late runs is taken."""


def deploy(profiles: Sequence[Profile], workspace: Path, pool: str) -> list[str]:
    """Registers them with the configured server, and gives their names. What a user changed there in the UI's schedules stays."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(WorkPoolCreate(name=pool, type="process", base_job_template=template))
        deployments = [d for profile in profiles for d in _of(profile, workspace, pool)]
        for deployment in deployments:
            if _is_registered(client, deployment.full_name):
                deployment.schedules = None
                deployment.__pydantic_fields_set__.discard("schedules")  # not sent: the server keeps those it has
            deployment.apply()
    return [deployment.full_name for deployment in deployments]


def _is_registered(client: SyncPrefectClient, name: str) -> bool:
    try:
        client.read_deployment_by_name(name)
    except ObjectNotFound:
        return False
    return True


def _of(profile: Profile, workspace: Path, pool: str) -> list[RunnerDeployment]:
    parameters: dict[str, object] = {"profile": profile.model_dump(mode="json"), "workspace": str(workspace)}
    reproduce = _deployment(
        profile.name, f"{profile.description} Sealed stages are reused.", parameters, ["ssp", profile.name], pool
    )
    retrain = _deployment(
        f"{profile.name}-retrain",
        f"{profile.name}, weekly once its schedule is switched on. What didn't change is reused; the gate decides on promotion.",
        parameters,
        ["retrain", profile.name],
        pool,
        [DeploymentScheduleCreate(schedule=WEEKLY, active=False)],
    )
    return [reproduce, retrain]


def _deployment(
    name: str,
    description: str,
    parameters: dict[str, object],
    tags: list[str],
    pool: str,
    schedules: list[DeploymentScheduleCreate] | None = None,
) -> RunnerDeployment:
    return RunnerDeployment.from_flow(
        ssp,
        name,
        description=description,
        parameters=parameters,
        tags=tags,
        work_pool_name=pool,
        version=importlib.metadata.version("vibethinker-ssp"),
        entrypoint_type=EntrypointType.MODULE_PATH,  # a file entrypoint would put flows/ first on sys.path
        schedules=schedules,
        concurrency_limit=ONE_AT_A_TIME if schedules else None,
    )
