"""One promotion or rollback of a registered model at a time, over all machines that share an MLflow registry.

MLflow has no compare-and-set, but a registered model's name is a unique key: whoever creates `<name>.promotion-lock` holds
the lock. It never has a version. Two that take over the same dead lock at once may both believe they hold it until one
looks again: so the holder looks right before it moves an alias.
"""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from vibethinker.budget.holders import place, started
from vibethinker.errors import VibeThinkerError

log = logging.getLogger(__name__)

SUFFIX = ".promotion-lock"
WAIT = 60.0
"""Seconds to wait for a lock that someone holds."""
POLL = 1.0
STALE = 600.0
"""Seconds after which a lock's holder counts as dead: it is held for a few requests only. On the holder's own machine it
counts as dead as soon as its process is gone."""


class LockHeld(VibeThinkerError, TimeoutError):
    """Somebody else's promotion went on for longer than one waits; names the holder."""


@contextmanager
def promotion_lock(client: MlflowClient, name: str, run: str) -> Iterator[Callable[[], bool]]:
    """Holds the lock of registered model `name`; gives a question to ask before an alias moves: is it still ours?

    run: who asks, for those who wait. Raises LockHeld after `WAIT` seconds.
    """
    lock, owner = name + SUFFIX, f"{socket.gethostname()} pid {os.getpid()} run {run} {secrets.token_hex(4)}"
    _acquire(client, lock, owner)
    try:
        yield lambda: _tags(client, lock).get("owner") == owner
    finally:
        _release(client, lock, owner)


def _acquire(client: MlflowClient, lock: str, owner: str) -> None:
    deadline = time.monotonic() + WAIT
    while not _created(client, lock, owner):
        holder = _tags(client, lock)
        if _dead(holder):
            log.warning("%s of %s is taken over: its holder is gone", lock, holder.get("owner"))
            _delete(client, lock)
        elif time.monotonic() > deadline:
            raise LockHeld(
                f"{lock} is held by {holder.get('owner', 'one after the other')}: run the same command again later; "
                f"once it is {STALE:.0f} s old it is taken over"
            )
        else:
            time.sleep(POLL)


def _created(client: MlflowClient, lock: str, owner: str) -> bool:
    tags = {"owner": owner, "time": time.time(), "place": place(), "pid": os.getpid(), "started": started(os.getpid())}
    try:
        client.create_registered_model(lock, tags={key: str(value) for key, value in tags.items()})
    except MlflowException as error:
        # the second: it was there, and gone before MLflow could say so
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            raise
        return False
    return True


def _tags(client: MlflowClient, lock: str) -> Mapping[str, str]:
    """What the lock's holder said of himself; nothing where nobody holds it."""
    try:
        return dict(client.get_registered_model(lock).tags)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}


def _dead(holder: Mapping[str, str]) -> bool:
    if not holder:
        return False
    if time.time() - float(holder.get("time", 0)) > STALE:
        return True
    return holder.get("place") == place() and holder["started"] != str(started(int(holder["pid"])))


def _delete(client: MlflowClient, lock: str) -> None:
    try:
        client.delete_registered_model(lock)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _release(client: MlflowClient, lock: str, owner: str) -> None:
    """A lock that can't be released grows stale: no reason to call what was done under it failed."""
    try:
        if _tags(client, lock).get("owner") == owner:
            _delete(client, lock)
    except (MlflowException, OSError) as error:
        log.warning("%s was not released (%s); in %.0f s it counts as dead", lock, str(error)[:200], STALE)
