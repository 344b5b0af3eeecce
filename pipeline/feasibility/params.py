"""The `feasibility` section of `params.yaml`. What each key does stands there."""

from pydantic import BaseModel, ConfigDict, Field


class FeasibilityParams(BaseModel):
    """What is wanted, and what it may cost. Without defaults: `params.yaml` is the one place where they stand."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    target_f1: float = Field(gt=0, lt=1)
    minutes: float = Field(gt=0, allow_inf_nan=False)
    seed: int = Field(ge=0)
