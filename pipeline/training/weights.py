"""A trained net on disk: weights, card and detector of outliers, which no loading can make run code."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from pipeline.data.packed import PackedSet
from pipeline.errors import ModelError
from pipeline.files import write_bytes, write_text
from pipeline.training.batches import Preprocessing, Rows
from pipeline.training.detector import Detector, load_detector, save_detector
from pipeline.training.models import build, fill, read_state
from pipeline.training.randomness import seeded

FOLDS = "folds"
"""Where the nets that are judged stand, below the folder of the models: ``folds/0`` and so on."""

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"

_LEARNT = "learnt"
"""In the head of a file of weights: the photographs that the net has learnt from."""


class ModelCard(BaseModel):
    """All that is needed to rebuild a trained net, to show it an image, and to know where it comes from."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    architecture: str  # torchvision's name
    class_names: tuple[str, ...]  # in the order of the logits
    stored_size: tuple[int, int]  # height and width of the packed images
    resolution: int  # side of what the net is shown
    mean: float  # grey levels, 0..255
    std: float
    epoch: int  # the one that is kept, counted from 1
    val_scores: dict[str, float]  # of that epoch: loss, macro_f1, and f1/<class>
    params: dict[str, Any]  # the `train` section of params.yaml
    # What the logits are divided by before probabilities are made of them; a card of an earlier version has none.
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @property
    def is_of_all(self) -> bool:
        """Whether the net is one more, trained on all photographs, that nothing is left to judge."""
        return (self.params["mode"], self.params["final"]) == ("normal", "retrain")

    @property
    def preprocessing(self) -> Preprocessing:
        """What turns packed images into the net's input."""
        return Preprocessing(self.resolution, self.mean, self.std)

    @property
    def flips(self) -> tuple[tuple[int, ...], ...]:
        """The mirror images about which the net is asked too: the axes of (B, 1, R, R) along which each is mirrored."""
        if not self.params.get("test_time_flips"):
            return ()
        allowed = self.params["augment"]
        axes = [axis for axis, name in ((2, "flip_vertical"), (3, "flip_horizontal")) if allowed[name]]
        return tuple(each for count in (1, 2) for each in combinations(axes, count))


@dataclass(frozen=True)
class TrainedModel:
    """A net in evaluation mode, its card, and what tells pictures unlike all that it has seen, if it has that.

    Attributes
    ----------
    learnt : what all photographs are known as (see `known_as`) that it has learnt from, those of the net that it began
        as among them
    """

    net: nn.Module
    card: ModelCard
    detector: Detector | None = None
    learnt: frozenset[str] = frozenset()


def state_on_cpu(net: nn.Module) -> dict[str, Tensor]:
    """Return a copy of all parameters and buffers, in C order."""
    return {
        key: tensor.detach().to("cpu", copy=True).contiguous(memory_format=torch.contiguous_format)
        for key, tensor in net.state_dict().items()
    }


def save(folder: Path, trained: TrainedModel) -> None:
    """Write the net into `folder`; the same net and card give the same bytes."""
    learnt = {_LEARNT: " ".join(sorted(trained.learnt))} if trained.learnt else None
    write_bytes(folder / WEIGHTS_FILE, to_bytes(state_on_cpu(trained.net), learnt))
    write_card(folder, trained.card)
    if trained.detector:
        save_detector(folder, trained.detector)


def write_card(folder: Path, card: ModelCard) -> None:
    """Write the card of the net in `folder`, in place of the one that it has."""
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False, sort_keys=True)
    write_text(folder / CARD_FILE, text + "\n")


def load(folder: Path, device: torch.device | str = "cpu") -> TrainedModel:
    """Return the net in `folder`, on `device`.

    Raises
    ------
    ModelError
        If a file is missing, is no such file, or does not fit the other.
    """
    card = read_card(folder)
    with seeded(0, torch.device("cpu")):  # for initial weights that the file's replace
        net = build(card.architecture, len(card.class_names), card.resolution)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(f"{path}: wanted a trained net's weights, found nothing; train writes them")
    fill(net, card.architecture, read_state(path), str(path))
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    detector = load_detector(folder)
    return TrainedModel(net.eval(), card, detector.to(device) if detector else None, learnt_by(str(path)))


def known_as(packed: PackedSet, row: int) -> tuple[str, str]:
    """Return what a photograph is known as in `TrainedModel.learnt`: hashes of its file and of its stored square.

    In another set the one may be others, and the other with another `resize.size`.
    """
    return packed.index[row].sha256[:16], packed.index[row].pixels[:16]


def learnt_by(weights: str) -> frozenset[str]:
    """Return `TrainedModel.learnt` of a file of weights; nothing of one that was not made here, or is none."""
    if not weights.endswith(".safetensors"):
        return frozenset()
    try:
        with safe_open(weights, "pt") as file:
            return frozenset((file.metadata() or {}).get(_LEARNT, "").split())
    except (OSError, SafetensorError):
        return frozenset()


def check_unseen(weights: str, packed: PackedSet, judged: Rows | Sequence[int]) -> None:
    """Refuse weights, `train.weights`, that have learnt from photographs that are to judge a net: it would know them.

    Raises
    ------
    ModelError
    """
    learnt = learnt_by(weights)
    seen = sum(not learnt.isdisjoint(known_as(packed, row)) for row in judged)
    if seen:
        raise ModelError(
            f"train.weights: wanted weights that have not learnt from the photographs that are to judge the net, found "
            f"{seen} of these {len(judged)} among those that {weights} has learnt from"
        )


def load_final(folder: Path, device: torch.device | str = "cpu") -> tuple[TrainedModel, ...]:
    """Return the net that `train` left in `folder`, or the members of the ensemble of its folds.

    Raises
    ------
    ModelError
        As `load`.
    """
    folds = fold_folders(folder)
    if folds and not (folder / CARD_FILE).exists():
        return tuple(load(fold, device) for fold in folds)
    return (load(folder, device),)


def fold_folders(folder: Path) -> list[Path]:
    """Return where the nets of the folds stand, in their order, below what `train` left in `folder`."""
    # What a file manager leaves there is none.
    return sorted(
        (each for each in (folder / FOLDS).glob("*") if each.name.isdecimal()), key=lambda path: int(path.name)
    )


def judged_folder(folder: Path) -> Path:
    """Return where the net of a split without folds stands, below what `train` left in `folder`.

    It is the final net itself, unless that was trained on everything.
    """
    beside = folder / FOLDS / "0"
    return beside if beside.is_dir() else folder


def read_card(folder: Path) -> ModelCard:
    """Return the card of the net in `folder`. Raises ModelError if it is missing, or is none."""
    path = folder / CARD_FILE
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{path}: wanted a trained net's card, found nothing; train writes it") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelError(f"{path}: wanted a trained net's card, found {place or 'text'}: {first['msg']}") from None
