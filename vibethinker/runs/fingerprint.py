"""A stage's identity: a hash of what changes its result (promise 2)."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def fingerprint(stage: str, version: int, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Hex SHA-256 of the stage's name, its version, the settings that change its result, and input name -> identity.

    Order of keys does not matter, tuples equal lists, 1 and 1.0 differ. Raises ValueError for NaN and infinities,
    TypeError for anything that JSON does not know.
    """
    identity = {"stage": stage, "version": version, "settings": settings, "inputs": inputs}
    text = json.dumps(_plain(identity, ""), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any, place: str) -> Any:
    """The same value made of dicts with string keys, lists, strings, numbers, booleans and None."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"fingerprint: {place or 'value'} is {value}; identities hold finite numbers only")
        return value
    if isinstance(value, Mapping):
        return {_key(k, place): _plain(v, f"{place}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, f"{place}[{i}]") for i, v in enumerate(value)]
    raise TypeError(f"fingerprint: {place or 'value'} is a {type(value).__name__}, which has no canonical JSON")


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"fingerprint: {place or 'mapping'} has the key {key!r}; keys must be strings")
    return key
