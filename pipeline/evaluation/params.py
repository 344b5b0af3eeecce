"""The `evaluate` section of `params.yaml`."""

from pydantic import BaseModel, ConfigDict, Field


class EvaluateParams(BaseModel):
    """What the stage `evaluate` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seed: int = Field(ge=0)  # of the draws behind the intervals
    gallery_images: int = Field(ge=1, le=100)  # the most photographs that one contact sheet shows
    registered_model: str = Field(min_length=1)  # name in MLflow's registry
