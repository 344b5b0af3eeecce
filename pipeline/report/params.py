"""The `report` section of `params.yaml`."""

from pydantic import BaseModel, ConfigDict, Field


class ReportParams(BaseModel):
    """What the stage `report` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    photographs: int = Field(ge=1, le=100)  # of mistakes, and of hits, on the page at the most
