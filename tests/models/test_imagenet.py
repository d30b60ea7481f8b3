"""ImageNet backbones of torchvision: which layers a network takes from them, and where their files come from."""

import json
import shutil
from functools import cache

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import ctnet
from ctnet.errors import WeightsError
from ctnet.experiments import plan, runner
from ctnet.experiments.experiment import Experiment
from ctnet.models import pretrained
from ctnet.models.resnet import ResNetConfig
from ctnet.protocol import Protocol
from ctnet.training.recipe import Recipe
from tests.support.networks import snapshot, unchanged
from tests.support.toy import write_set


@cache
def backbone(name: str) -> nn.Module:
    """A network of torchvision with random weights and statistics."""
    torch.manual_seed(1)
    extra = {"init_weights": False, "transform_input": True} if name == "inception_v3" else {}
    net = getattr(torchvision.models, name)(weights=None, **extra)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.weight, 0.3, 0.9)
            nn.init.normal_(module.bias, std=0.1)
    return net.eval()


BACKBONES = ["resnet50", "resnet101", "inception_v3"]


@pytest.mark.parametrize("name", BACKBONES)
def test_tsn_equals_torchvision_on_each_frame(name):
    """Inputs have ImageNet's normalisation; the one of InceptionV3 moves into its first layer."""
    theirs = backbone(name)
    net = ctnet.create_model(f"tsn_{name}", num_classes=1000).eval()
    fresh = net.fc.weight.clone()
    assert ctnet.load_imagenet(net, theirs.state_dict()) is net
    assert torch.equal(net.fc.weight, fresh), "the last layer was loaded"
    net.fc.load_state_dict(theirs.fc.state_dict())
    side = 96
    clips = torch.randn(2, 3, 3, side, side)
    with torch.inference_mode():
        frames = torch.stack([theirs(clip.transpose(0, 1)) for clip in clips])
        assert frames.std() > 0.01
        torch.testing.assert_close(net(clips), frames.mean(1), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(net(clips[:, :, 1:2]), frames[:, 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BACKBONES)
def test_ctnet_takes_all_layers_that_it_shares_with_the_backbone(name):
    theirs, net = backbone(name).state_dict(), ctnet.create_model(f"ctnet_{name}")
    before = snapshot(net)
    ctnet.load_imagenet(net, theirs)
    for key, value in net.state_dict().items():
        if ".ct." in key or key.startswith("fc."):
            assert torch.equal(value, before[key]), key
        elif not key.startswith("Conv2d_1a"):
            assert torch.equal(value, theirs[key]), key
    assert any(".ct." in key for key in before)


def test_backbone_is_loaded_from_a_file(tmp_path):
    theirs, net = backbone("resnet50").state_dict(), ctnet.create_model("tsm_resnet50")
    torch.save(theirs, tmp_path / "resnet50.pth")
    ctnet.load_imagenet(net, tmp_path / "resnet50.pth")
    assert torch.equal(net.layer4[2].conv3.weight, theirs["layer4.2.conv3.weight"])


def test_backbone_with_wrong_keys_raises_and_loads_nothing():
    theirs = dict(backbone("resnet50").state_dict())
    del theirs["layer1.0.conv1.weight"]
    theirs["layer3.5.bn3.bias"] = torch.zeros(7)
    theirs["layer5.0.conv1.weight"] = torch.zeros(1)
    net = ctnet.create_model("ctnet_resnet50")
    before = snapshot(net)
    with pytest.raises(WeightsError) as error:
        ctnet.load_imagenet(net, theirs)
    for key in ("layer1.0.conv1.weight", "layer3.5.bn3.bias", "layer5.0.conv1.weight"):
        assert key in str(error.value)
    assert unchanged(net, before)


def test_wrong_backbone_raises():
    net = ctnet.create_model("tsn_resnet101")
    before = snapshot(net)
    with pytest.raises(WeightsError, match=r"; 306 missing: layer3\.6\.conv1\.weight, .* and 301 more$"):
        ctnet.load_imagenet(net, backbone("resnet50").state_dict())
    assert unchanged(net, before)


# torchvision's files of IMAGENET1K_V1
FILES = {
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "inception_v3": "inception_v3_google-0cc3c7bd.pth",
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The folder of torch.hub's files, which does not exist yet, on a machine without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # a closed port
    monkeypatch.setenv("no_proxy", "")
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize("name", BACKBONES)
def test_failed_download_names_address_and_place(name, hub):
    net = ctnet.create_model(f"tsn_{name}")
    before = snapshot(net)
    with pytest.raises(WeightsError, match=f"ImageNet weights of {name} could not be fetched") as error:
        ctnet.load_imagenet(net)
    assert f"put https://download.pytorch.org/models/{FILES[name]} at {hub / FILES[name]}, or" in str(error.value)
    assert "\n" not in str(error.value) and unchanged(net, before) and not list(hub.iterdir())


@pytest.mark.parametrize("name", BACKBONES)
def test_file_in_its_place_needs_no_network(name, hub):
    theirs, net = backbone(name).state_dict(), ctnet.create_model(f"ctnet_{name}")
    hub.mkdir(parents=True)
    torch.save(theirs, hub / FILES[name])
    ctnet.load_imagenet(net, "torchvision")
    key = "layer1.0.conv1.weight" if "resnet" in name else "Mixed_5b.branch1x1.conv.weight"
    assert torch.equal(net.state_dict()[key], theirs[key])


def test_damaged_file_in_its_place_is_named(hub):
    hub.mkdir(parents=True)
    (hub / FILES["resnet50"]).write_bytes(b"half of it")
    with pytest.raises(WeightsError, match=f"^{hub / FILES['resnet50']}: not a file of plain weights"):
        ctnet.load_imagenet(ctnet.create_model("tsn_resnet50"))


def test_experiment_starts_from_imagenet_without_a_network(hub, tmp_path, monkeypatch):
    """With a learning rate of 0 the final weights are the initial ones."""
    for kind in ("data", "runs", "results"):
        monkeypatch.setenv(f"CTNET_{kind.upper()}", str(tmp_path / kind))
    toy = write_set(tmp_path / "data" / "toy", clips=4)
    shutil.copy(toy / "train.csv", toy / "test.csv")
    facts = json.loads((toy / "dataset.json").read_text())
    (toy / "dataset.json").write_text(json.dumps(facts | {"splits": {"train": 4, "test": 4}}))
    recipe = Recipe(epochs=1, batch_size=4, lr=0.0, warmup=0, scales=(1.0,))
    wanted = Experiment("ctnet_resnet50", "toy", recipe, Protocol(1, size=32), init="imagenet")
    with pytest.raises(WeightsError, match=f"at {hub / FILES['resnet50']}, or give a file"):
        runner.run(wanted, progress=False)
    hub.mkdir(parents=True, exist_ok=True)
    torch.save(backbone("resnet50").state_dict(), hub / FILES["resnet50"])
    result = runner.run(wanted, progress=False)
    net = ctnet.load(tmp_path / "runs" / "cpu" / result.key / plan.WEIGHTS)
    for key, value in backbone("resnet50").named_parameters():
        if not key.startswith("fc.") and key in net.state_dict():
            assert torch.equal(net.state_dict()[key], value), key


def test_backbone_is_found_without_a_name():
    net = ResNetConfig(num_classes=3).build()
    theirs = backbone("resnet50").state_dict()
    ctnet.load_imagenet(net, theirs)
    assert torch.equal(net.conv1.weight, theirs["conv1.weight"])
    for name in BACKBONES:
        assert pretrained.backbone(ctnet.create_model(f"ctnet_{name}", num_classes=3)) == name


def test_inception_takes_imagenet_normalisation():
    """Middle grey, 0 for torchvision's InceptionV3, gives the same features from ImageNet's normalisation."""
    from ctnet.clips import normalize

    theirs = backbone("inception_v3").state_dict()
    ours = pretrained.to_imagenet_normalisation(theirs)
    grey = normalize(torch.full((1, 3, 1, 9, 9), 127.5))[:, :, 0]
    norm = [ours[f"Conv2d_1a_3x3.bn.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    found = F.batch_norm(F.conv2d(grey, ours["Conv2d_1a_3x3.conv.weight"]), *norm)
    norm = [theirs[f"Conv2d_1a_3x3.bn.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    expected = F.batch_norm(torch.zeros_like(found), *norm)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
