"""The base of every configuration."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A configuration: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
