"""What a rollback did."""

from pydantic import BaseModel, ConfigDict


class Rollback(BaseModel):
    """A champion taken back, and the version that is champion again."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str
    """Registered model's name."""
    rolled_back: str
    """Version that was champion."""
    champion: str
    """Version that is champion again."""
    weights_sha256: str
    """Its weights, as downloaded and compared."""
    reason: str
    rolled_back_at: str
    """UTC, ISO 8601."""
