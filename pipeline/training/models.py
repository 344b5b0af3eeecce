"""Any of torchvision's classification nets, for one grey channel and any number of classes."""

import copy
import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import ModelError

State = dict[str, Tensor]

# Heads that some nets have during training only; torchvision leaves them out when a net is built without them.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# Names in torchvision's published files that its own code has since changed.
_RENAMED = {
    r"(denselayer\d+\.(?:norm|conv))\.([12])\.": r"\1\2.",
    r"\.mlp\.linear_1\.": ".mlp.0.",
    r"\.mlp\.linear_2\.": ".mlp.3.",
}
_POSITIONS = "encoder.pos_embedding"


def known_models() -> list[str]:
    """Return the names of the nets that `build` knows, sorted."""
    return sorted(torchvision.models.list_models(module=torchvision.models))


def build(name: str, num_classes: int, resolution: int, weights: str = "none") -> nn.Module:
    """Return a net that turns float32 (B, 1, resolution, resolution) into logits (B, num_classes).

    The first layer's kernel is the sum of the kernels for red, green and blue: the net computes what the original does
    for a grey picture in three equal channels. A head for another number of classes is left as initialised, from
    PyTorch's random state, as are all layers without `weights`.

    Parameters
    ----------
    name : a name in `known_models()`
    weights : "none", "DEFAULT" (torchvision's own, downloaded), or the path of a state dict for this net, from
        torchvision or from here: ``.safetensors``, or another file that PyTorch loads with ``weights_only=True``

    Raises
    ------
    ModelError
        If the name is unknown, the resolution is too small for the net, or the weights are not there or do not fit.
    """
    if name not in known_models():
        raise ModelError(f"train.model: wanted a torchvision classification net{_near(name)}, found {name!r}")
    model = _with_one_channel(_fresh(name, num_classes, resolution))
    if weights == "DEFAULT":
        _fill(model, name, _published_state(name), f"torchvision's weights for {name}")
    elif weights != "none":
        if not Path(weights).is_file():
            raise ModelError(f"train.weights: wanted none, DEFAULT or a weights file, found no file {weights}")
        _fill(model, name, read_state(Path(weights)), weights)
    _check_resolution(model, name, resolution)
    return model


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, known_models(), n=3)
    return f" (perhaps {' or '.join(near)})" if near else f" such as {', '.join(known_models()[::10])}"


def _fresh(name: str, num_classes: int, resolution: int) -> nn.Module:
    options: dict[str, Any] = {"num_classes": num_classes}
    if name in ("googlenet", "inception_v3"):
        # Without init_weights torchvision draws from a truncated normal distribution, which takes ten seconds.
        options |= {"aux_logits": False, "init_weights": False}
    elif name.startswith("vit_"):
        options["image_size"] = resolution
    elif name.startswith("maxvit"):
        options["input_size"] = (resolution, resolution)
    try:
        model: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    except (ValueError, AssertionError) as error:
        raise _unfit(name, resolution, error) from None
    return model


def _with_one_channel(model: nn.Module) -> nn.Module:
    name, stem = _stem(model)
    grey = nn.Conv2d(
        1,
        stem.out_channels,
        stem.kernel_size,  # type: ignore[arg-type]  # a pair, typed as a tuple of any length
        stem.stride,  # type: ignore[arg-type]
        stem.padding,  # type: ignore[arg-type]
        bias=stem.bias is not None,
    )
    grey.weight = nn.Parameter(_summed(stem.weight.detach()))
    grey.bias = stem.bias
    model.set_submodule(name, grey)
    return model


def _stem(model: nn.Module) -> tuple[str, nn.Conv2d]:
    return next((name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d))


def head_name(model: nn.Module) -> str:
    """Return the name of the layer that gives the logits: SqueezeNet's is a convolution, all others' are linear."""
    layers: list[str] = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return layers[-1]


def _summed(kernel: Tensor) -> Tensor:
    """Return a first layer's kernel, (C, 3, h, w) or (C, 1, h, w), for one channel: (C, 1, h, w)."""
    return kernel.sum(dim=1, keepdim=True)


def _published_state(name: str) -> State:
    try:
        state: State = torchvision.models.get_model(name, weights="DEFAULT").state_dict()
    except (OSError, RuntimeError) as error:  # RuntimeError: what came, or what a former download left, is cut short
        raise ModelError(
            f"train.weights: wanted torchvision's weights for {name}, found no way to download them "
            f"({_first_line(error)}); "
            "give the path of a file, or none to start from scratch"
        ) from None
    return state


def read_state(path: Path) -> State:
    """Return the tensors of a file, by today's names; nothing in the file is run.

    Raises
    ------
    ModelError
        If the file does not hold tensors by name, and nothing else.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a file that holds no tensors PyTorch takes any byte for an instruction
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise ModelError(f"{path}: wanted a state dict, found what is none ({reason})") from None
    if not isinstance(state, Mapping) or not all(map(_is_entry, state.items())):
        raise ModelError(f"{path}: wanted a state dict (names of tensors), found {type(state).__name__}")
    return {_current_name(key): value for key, value in state.items() if not key.startswith(_AUXILIARY)}


def _is_entry(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def _current_name(key: str) -> str:
    for old, new in _RENAMED.items():
        key = re.sub(old, new, key)
    return key


def fill(model: nn.Module, name: str, state: State, source: str) -> None:
    """Copy `state` into `model`, which is called `name`; `source` is where the state comes from.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape or is one too many: the first such, wanted and found.
    """
    wanted = model.state_dict()
    _check_fit(wanted, state, name, source)
    # Not load_state_dict: some nets want a version number with it that a file of tensors does not hold.
    with torch.no_grad():
        for key, tensor in wanted.items():
            tensor.copy_(state[key])


def _fill(model: nn.Module, name: str, state: State, source: str) -> None:
    """Copy a state that may be for three channels, another resolution or another head, which is then left fresh."""
    wanted = model.state_dict()
    state = _adapted(model, state)
    head = tuple(key for key in wanted if key.startswith(f"{head_name(model)}."))
    if any(key in state and state[key].shape != wanted[key].shape for key in head):
        state |= {key: wanted[key] for key in head}
    fill(model, name, state, source)


def _adapted(model: nn.Module, state: State) -> State:
    """Return `state` with what depends on channels and resolution brought to `model`'s."""
    state = dict(state)
    name, stem = _stem(model)
    kernel = state.get(f"{name}.weight")
    if kernel is not None and kernel.ndim == 4 and kernel.shape[1] == 3:
        state[f"{name}.weight"] = _summed(kernel)
    if _POSITIONS in state and state[_POSITIONS].ndim == 3:
        interpolate = torchvision.models.vision_transformer.interpolate_embeddings
        try:
            state = interpolate(model.image_size, stem.kernel_size[0], state)
        except ValueError as error:
            raise ModelError(f"train.weights: wanted a square table {_POSITIONS}, found {_first_line(error)}") from None
    return state


def _check_fit(wanted: State, state: State, name: str, source: str) -> None:
    for key, tensor in wanted.items():
        shape = tuple(tensor.shape)
        if key not in state:
            raise ModelError(f"{source}: wanted {name}'s tensor {key} {shape}, found none of this name")
        if state[key].shape != tensor.shape:
            raise ModelError(f"{source}: wanted {name}'s tensor {key} {shape}, found {tuple(state[key].shape)}")
    if unknown := state.keys() - wanted.keys():
        raise ModelError(f"{source}: wanted the tensors of {name} alone, found {min(unknown)} too")


def _check_resolution(model: nn.Module, name: str, resolution: int) -> None:
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 1, resolution, resolution))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise _unfit(name, resolution, error) from None
    model.train()


def _unfit(name: str, resolution: int, error: Exception) -> ModelError:
    return ModelError(
        f"train.resolution: wanted an input size that {name} takes, found {resolution} ({_first_line(error)})"
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


class WithFeatures(nn.Module):
    """A net of `build` that gives its features too; it shares the weights of the one that it is made of.

    Features are what goes into the layer that gives the logits. SqueezeNet's is a convolution, which is asked at many
    places: they are the mean over them.
    """

    def __init__(self, net: nn.Module, num_classes: int) -> None:
        super().__init__()
        shared = {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())}
        self._net, self._num_classes = copy.deepcopy(net, shared), num_classes
        name = head_name(self._net)
        self._net.set_submodule(name, _BesideInput(self._net.get_submodule(name)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features, float32 (B, D), and logits, float32 (B, K), for float32 (B, 1, R, R)."""
        both: Tensor = self._net(images)
        return both[:, self._num_classes :], both[:, : self._num_classes]


class _BesideInput(nn.Module):
    """A layer whose input stands behind its output, along the channels: unlike a hook, it can be exported."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, values: Tensor) -> Tensor:
        """Return (B, K + D) or (B, K + D, h, w) for (B, D) or (B, D, h, w)."""
        return torch.cat([self._layer(values), values], dim=1)
