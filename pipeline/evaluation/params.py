"""The `evaluate` section of `params.yaml`."""

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.training.device import DeviceName


class EvaluateParams(BaseModel):
    """What the stage `evaluate` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seed: int = Field(ge=0)  # of the draws behind the intervals
    gallery_images: int = Field(ge=1, le=100)  # the most photographs that one contact sheet shows
    registered_model: str  # name in MLflow's registry
    device: DeviceName

    @field_validator("registered_model")
    @classmethod
    def _name_that_mlflow_takes(cls, name: str) -> str:
        if not re.fullmatch(r"[\w .-]+", name):
            raise ValueError(f"wanted letters, digits, spaces and _ . - alone, found {name!r}")
        return name
