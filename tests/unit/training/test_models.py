import urllib.error

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from pipeline.errors import ModelError
from pipeline.training.models import build, known_models, read_state

# One net of each family that computes its layers' sizes in its own way, and the least input it is tried at.
FAMILIES = {
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "googlenet": 32,
    "inception_v3": 96,
    "maxvit_t": 224,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "regnet_x_400mf": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "resnext50_32x4d": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "swin_t": 32,
    "swin_v2_t": 32,
    "vit_b_32": 64,
}


def forward(model, resolution):
    with torch.inference_mode():
        return model.eval()(torch.randn(1, 1, resolution, resolution))


@pytest.fixture
def colour_resnet(tmp_path):
    """A torchvision ResNet-18 for 10 classes and colour, and its state dict as a file."""
    model = torchvision.models.resnet18(num_classes=10).eval()
    torch.save(model.state_dict(), tmp_path / "resnet18.pth")
    return model, tmp_path / "resnet18.pth"


@pytest.mark.parametrize(("name", "resolution"), FAMILIES.items())
def test_each_family_takes_one_channel_and_gives_a_logit_a_class(name, resolution):
    assert forward(build(name, 5, resolution), resolution).shape == (1, 5)


@pytest.mark.parametrize("name", [name for name in known_models() if not name.startswith("regnet_")])
def test_every_net_is_built(name):
    # On the meta device nothing is computed but shapes. RegNets cannot be built there; theirs is the family above.
    with torch.device("meta"):
        model = build(name, 3, 224)
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    assert first.in_channels == 1
    assert [p.shape[0] for p in model.parameters() if p.ndim > 1][-1] == 3


def test_known_are_the_classification_nets_alone():
    assert len(known_models()) >= 80
    assert not [name for name in known_models() if "quantized" in name or "rcnn" in name or "fcn" in name]


@pytest.mark.parametrize(("name", "near"), [("resnet-18", "resnet18"), ("efficientnet", "efficientnet_b")])
def test_unknown_name_is_answered_with_near_ones(name, near):
    with pytest.raises(ModelError, match=f"^train.model: wanted .*{near}.*, found '{name}'$"):
        build(name, 3, 64)


def test_unknown_name_near_none():
    with pytest.raises(ModelError, match=r"such as alexnet, .*, found '\?\?'$"):
        build("??", 3, 64)


@pytest.mark.parametrize(
    ("name", "resolution"), [("alexnet", 32), ("inception_v3", 64), ("vit_b_16", 50), ("maxvit_t", 96), ("vgg11", 16)]
)
def test_an_input_size_that_the_net_does_not_take(name, resolution):
    with torch.device("meta"), pytest.raises(ModelError) as caught:
        build(name, 3, resolution)
    assert f"train.resolution: wanted an input size that {name} takes, found {resolution} (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_initial_weights_follow_the_random_state():
    nets = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        nets.append(build("squeezenet1_1", 3, 32).state_dict())
    assert all(torch.equal(nets[0][key], nets[1][key]) for key in nets[0])
    assert not all(torch.equal(nets[0][key], nets[2][key]) for key in nets[0])


def test_pretrained_for_colour_computes_the_same_for_grey_in_three_channels(colour_resnet):
    original, path = colour_resnet
    grey = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        expected = original(grey.expand(-1, 3, -1, -1))
        found = build("resnet18", 10, 64, str(path)).eval()(grey)
    assert torch.allclose(found, expected, atol=1e-4)


def test_pretrained_for_other_classes_keeps_all_but_the_head(colour_resnet):
    original, path = colour_resnet
    found, expected = build("resnet18", 3, 64, str(path)).state_dict(), original.state_dict()
    assert found["fc.weight"].shape == (3, 512)
    assert not torch.all(found["fc.weight"] == 0)
    kept = [key for key in expected if not key.startswith("fc.") and key != "conv1.weight"]
    assert all(torch.equal(found[key], expected[key]) for key in kept)


def test_one_of_ours_in_safetensors_is_taken_whole(tmp_path):
    ours = build("squeezenet1_1", 3, 32)
    save_file(ours.state_dict(), tmp_path / "model.safetensors")
    found = build("squeezenet1_1", 3, 32, str(tmp_path / "model.safetensors")).state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in ours.state_dict().items())


@pytest.mark.parametrize("name", ["mnasnet0_5", "googlenet"])
def test_torchvision_states_that_its_own_loading_treats_specially(tmp_path, name):
    options = {"init_weights": False} if name == "googlenet" else {}
    torch.save(torchvision.models.get_model(name, num_classes=4, **options).state_dict(), tmp_path / "net.pth")
    assert forward(build(name, 3, 96, str(tmp_path / "net.pth")), 96).shape == (1, 3)


@pytest.mark.parametrize(
    ("published", "today"),
    [
        (
            "features.denseblock1.denselayer2.norm.1.running_mean",
            "features.denseblock1.denselayer2.norm1.running_mean",
        ),
        ("features.denseblock1.denselayer2.conv.2.weight", "features.denseblock1.denselayer2.conv2.weight"),
        ("encoder.layers.encoder_layer_0.mlp.linear_1.bias", "encoder.layers.encoder_layer_0.mlp.0.bias"),
        ("encoder.layers.encoder_layer_0.mlp.linear_2.weight", "encoder.layers.encoder_layer_0.mlp.3.weight"),
        ("layer1.0.conv2.weight", "layer1.0.conv2.weight"),
    ],
)
def test_names_in_torchvisions_published_files_are_brought_up_to_date(tmp_path, published, today):
    save_file({published: torch.zeros(1)}, tmp_path / "net.safetensors")
    assert list(read_state(tmp_path / "net.safetensors")) == [today]


def test_a_vision_transformer_for_another_resolution(tmp_path):
    torch.save(build("vit_b_32", 3, 96).state_dict(), tmp_path / "vit.pt")
    assert forward(build("vit_b_32", 3, 64, str(tmp_path / "vit.pt")), 64).shape == (1, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state | {"layer1.0.conv2.weight": torch.zeros(64, 64, 1, 1)},
            r"wanted resnet18's tensor layer1.0.conv2.weight \(64, 64, 3, 3\), found \(64, 64, 1, 1\)",
        ),
        (
            lambda state: state | {"conv1.weight": torch.zeros(64, 2, 7, 7)},
            r"wanted resnet18's tensor conv1.weight \(64, 1, 7, 7\), found \(64, 2, 7, 7\)",
        ),
        (
            lambda state: {key: value for key, value in state.items() if key != "bn1.weight"},
            r"wanted resnet18's tensor bn1.weight \(64,\), found none of this name",
        ),
        (
            lambda state: state | {"layer9.weight": torch.zeros(1)},
            r"wanted the tensors of resnet18 alone, found layer9.weight too",
        ),
        (lambda state: {"epoch": 3, "model": state}, r"wanted a state dict \(names of tensors\), found dict"),
        (lambda state: dict(enumerate(state.values())), r"wanted a state dict \(names of tensors\), found dict"),
        (lambda state: list(state.values()), r"wanted a state dict \(names of tensors\), found list"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, colour_resnet, change, message):
    torch.save(change(colour_resnet[0].state_dict()), tmp_path / "other.pth")
    with pytest.raises(ModelError, match=rf"other.pth: {message}$"):
        build("resnet18", 3, 64, str(tmp_path / "other.pth"))


def test_weights_of_a_deeper_net(tmp_path):
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "deep.pth")
    with pytest.raises(ModelError, match=r"wanted the tensors of resnet18 alone, found layer1.2"):
        build("resnet18", 3, 64, str(tmp_path / "deep.pth"))


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"no weights at all", b"\x80\x02}q\x00.", b"epoch,step,lr\n1,2,3\n", b"RIFF\x00\x00\x00\x00WEBP"]
)
def test_a_file_that_holds_no_weights(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name}: wanted a state dict") as caught:
        build("resnet18", 3, 64, str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_pickled_net_is_refused_and_not_run(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"net.pt: wanted a state dict, found "):
        build("resnet18", 3, 64, str(tmp_path / "net.pt"))


@pytest.mark.parametrize("weights", ["nothing/here.pth", "default", "."])
def test_a_missing_weights_file(weights):
    with pytest.raises(ModelError, match=r"^train.weights: wanted none, DEFAULT or a weights file, found no file "):
        build("squeezenet1_1", 3, 64, weights)


def test_own_weights_of_torchvision_offline(monkeypatch):
    def offline(*_args, **_options):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr(torch.hub.os.path, "exists", lambda _path: False)
    with pytest.raises(ModelError, match=r"^train.weights: wanted torchvision's weights for resnet18, found no way"):
        build("resnet18", 3, 64, "DEFAULT")


def test_own_weights_of_torchvision_online(monkeypatch):
    published = torchvision.models.resnet18()
    weights = torchvision.models.get_model_weights("resnet18").DEFAULT
    monkeypatch.setattr(type(weights), "get_state_dict", lambda *_args, **_options: published.state_dict())
    found = build("resnet18", 3, 64, "DEFAULT").state_dict()
    assert torch.equal(found["layer4.1.conv2.weight"], published.layer4[1].conv2.weight)
    assert found["fc.weight"].shape == (3, 512)
