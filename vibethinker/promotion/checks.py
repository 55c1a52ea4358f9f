"""What is checked before a model is promoted: each check says what it saw."""

from pydantic import BaseModel, ConfigDict


class Check(BaseModel):
    """One condition of a promotion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    passed: bool
    seen: str
    """What was found, in words: the reason of a refusal where the check failed."""
