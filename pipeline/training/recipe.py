"""The `train` section of `params.yaml`: how the net is made and trained. What each key does stands there."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.training.augmentation import AugmentParams
from pipeline.training.device import DeviceName
from pipeline.training.moves import STOP, Moves

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TrainParams(BaseModel):
    """A recipe. Without defaults: `params.yaml` is the one place where they stand."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    mode: Literal["normal", "overfit"]
    seed: int = Field(ge=0)
    final: Literal["ensemble", "retrain"]

    model: str
    weights: str
    resolution: int = Field(ge=32)
    normalization: Literal["train", "none"]

    epochs: Count
    batch_size: Literal["all"] | Count
    micro_batch_size: Count | None
    balance: Literal["none", "class_weights", "sampler"]
    label_smoothing: float = Field(ge=0, lt=1)

    optimizer: Literal["sgd", "adamw"]
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0, allow_inf_nan=False)
    ema_decay: float = Field(ge=0, lt=1)

    lr: Positive
    schedule: Literal["constant", "steps", "cosine", "restarts", "one_cycle", "plateau"]
    warmup_epochs: int = Field(ge=0)
    lr_steps: dict[Count, Moves]
    restart_epochs: Count
    restart_growth: float = Field(ge=1, le=10)
    plateau_patience: Count
    plateau_factor: float = Field(gt=0, lt=1)

    augment: AugmentParams
    test_time_flips: bool
    outlier_rate: float = Field(gt=0, lt=1)

    launcher: str
    device: DeviceName
    precision: Literal["auto", "fp32", "bf16"]
    compile: bool
    threads: Count | None

    @property
    def title(self) -> str:
        """What tells a training from others at a glance."""
        mode = "" if self.mode == "normal" else f"{self.mode}: "
        return f"{mode}{self.model} {self.resolution}px {self.optimizer} lr {self.lr:g}"

    @model_validator(mode="after")
    def _steps_are_read(self) -> Self:
        if self.schedule == "steps" and not self.lr_steps:
            raise ValueError("wanted lr_steps such as {30: 0.1} beside schedule: steps, found none")
        if STOP in self.lr_steps.get(1, ()):
            raise ValueError("lr_steps: wanted one epoch at least, found stop from epoch 1 on")
        return self
