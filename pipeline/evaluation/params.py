"""The `evaluate` section of `params.yaml`."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.training.device import DeviceName

Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PromotionParams(BaseModel):
    """By which rule a version becomes champion; see `pipeline.promotion`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    least_gain: float = Field(ge=-1, le=1)  # the interval of the difference in macro F1 must lie above
    class_loss: float = Field(ge=0, le=1)  # no class's F1 may fall by more


class EvaluateParams(BaseModel):
    """What the stage `evaluate` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seed: int = Field(ge=0)  # of the draws behind the intervals
    gallery_images: int = Field(ge=1, le=100)  # the most photographs that one contact sheet shows
    registered_model: str  # name in MLflow's registry
    promote: PromotionParams
    device: DeviceName
    sound_class: str | None  # the class that means "no defect"
    false_alarm_rate: float = Field(gt=0, lt=1)  # what the operating points hold
    miss_rate: float = Field(gt=0, lt=1)
    costs: dict[str, dict[str, Cost]] | None  # true class -> answer -> cost; see `costs.cost_matrix`

    @field_validator("registered_model")
    @classmethod
    def _name_that_mlflow_takes(cls, name: str) -> str:
        if not re.fullmatch(r"[\w .-]+", name):
            raise ValueError(f"wanted letters, digits, spaces and _ . - alone, found {name!r}")
        return name
