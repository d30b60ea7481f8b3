"""The authors' checkpoint, made with its names and shapes and random weights: it is loaded whole or not at all."""

import pickle

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import ctnet
from ctnet.errors import WeightsError
from tests.support.networks import Payload, snapshot, unchanged

SIZES = {1: (8, 8), 2: (16, 8), 3: (16, 16), 4: (32, 16)}  # layer -> (C1, C2)
CT_BLOCKS = ((1, 1), (2, 1), (2, 3), (3, 1), (3, 3), (3, 5), (4, 1))
KERNELS = {"s": (1, 3, 3), "t": (3, 1, 1), "c": (1, 1, 1)}


def released_state(num_classes: int = 174) -> dict[str, Tensor]:
    """Random weights with the names and shapes of the authors' network, without the prefix `module.`."""
    torch.manual_seed(0)
    state = {}

    def conv(name, c_out, c_in, *kernel):
        fan_in = c_in * torch.Size(kernel).numel()
        state[f"{name}.weight"] = torch.randn(c_out, c_in, *kernel) * (2 / fan_in) ** 0.5

    def norm(name, c):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.rand(c) * 0.5 + 0.4, torch.randn(c) * 0.1
        state[f"{name}.running_mean"] = torch.randn(c) * 0.1
        state[f"{name}.running_var"] = torch.rand(c) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def ct(name, c, sizes):
        for axis, op, other, size in (("x", 1, "z", sizes[0]), ("y", 2, "z", sizes[1])):
            for suffix, kernel in ((axis, KERNELS["s"]), (other, KERNELS["t"])):
                conv(f"{name}.conv{op}_{suffix}.0", c, size, *kernel)
                norm(f"{name}.conv{op}_{suffix}.1", c)
            for kind, kernel in KERNELS.items():
                conv(f"{name}.{kind}{axis}_attention.fc1.0", c // 4, size, *kernel)
                norm(f"{name}.{kind}{axis}_attention.fc1.1", c // 4)
                conv(f"{name}.{kind}{axis}_attention.fc2.0", c, size // 4, *kernel)
        conv(f"{name}.fusion.0", c, c, 1, 1, 1)
        norm(f"{name}.fusion.1", c)

    conv("base_model.conv1", 64, 3, 7, 7)
    norm("base_model.bn1", 64)
    c_in = 64
    for layer, depth in enumerate((3, 4, 6, 3), 1):
        c = 32 * 2**layer
        for i in range(depth):
            name = f"base_model.layer{layer}.{i}"
            if (layer, i) in CT_BLOCKS:
                conv(f"{name}.conv1.0", c, c_in, 1, 1)
                norm(f"{name}.conv1.1", c)
                ct(f"{name}.conv2", c, SIZES[layer])
                conv(f"{name}.conv3.0", 4 * c, c, 1, 1)
                norm(f"{name}.conv3.1", 4 * c)
            else:
                for j, (c_out, c_from, k) in enumerate(((c, c_in, 1), (c, c, 3), (4 * c, c, 1)), 1):
                    conv(f"{name}.conv{j}", c_out, c_from, k, k)
                    norm(f"{name}.bn{j}", c_out)
            if not i:
                conv(f"{name}.downsample.0", 4 * c, c_in, 1, 1)
                norm(f"{name}.downsample.1", 4 * c)
            c_in = 4 * c
    state["new_fc.weight"] = torch.randn(num_classes, 2048) / 2048**0.5
    state["new_fc.bias"] = torch.randn(num_classes)
    return state


class Released:
    """The forward pass of the authors' network: a 2-D backbone, 3-D modules, a permute for the second operation."""

    def __init__(self, state: dict[str, Tensor]):
        self.state = state

    def conv(self, x, name, stride=1, groups=1):
        weight = self.state[f"{name}.weight"]
        padding = [k // 2 for k in weight.shape[2:]]
        return (F.conv2d if weight.dim() == 4 else F.conv3d)(x, weight, None, stride, padding, 1, groups)

    def norm(self, x, name):
        stats = (self.state[f"{name}.{s}"] for s in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *stats)

    def attend(self, x, name, pooled, groups):
        mask = self.conv(x.mean(pooled, keepdim=True), f"{name}.fc1.0", groups=groups)
        mask = self.conv(self.norm(mask, f"{name}.fc1.1").relu(), f"{name}.fc2.0", groups=groups)
        return x * mask.sigmoid()

    def operation(self, x, name, op, axis, groups):
        space, time = (
            self.norm(self.conv(x, f"{name}.conv{op}_{j}.0", groups=groups), f"{name}.conv{op}_{j}.1").relu()
            for j in (axis, "z")
        )
        space = self.attend(space, f"{name}.s{axis}_attention", (2,), groups)
        time = self.attend(time, f"{name}.t{axis}_attention", (3, 4), groups)
        return self.attend(space + time, f"{name}.c{axis}_attention", (3, 4), groups)

    def module(self, x, name, c1, c2):
        n, c, t, h, w = x.shape
        x = self.operation(x, name, 1, "x", groups=c2)
        x = self.norm(self.conv(x, f"{name}.fusion.0"), f"{name}.fusion.1").relu()
        x = x.view(n, c2, c1, t, h, w).permute(0, 2, 1, 3, 4, 5).reshape(n, c, t, h, w)
        x = self.operation(x, name, 2, "y", groups=c1)
        return x.view(n, c1, c2, t, h, w).permute(0, 2, 1, 3, 4, 5).reshape(n, c, t, h, w)

    def block(self, x, layer, i, frames):
        name, stride = f"base_model.layer{layer}.{i}", 2 if layer > 1 and not i else 1
        if (layer, i) in CT_BLOCKS:
            y = self.norm(self.conv(x, f"{name}.conv1.0"), f"{name}.conv1.1").relu()
            clips = y.unflatten(0, (-1, frames)).transpose(1, 2)
            y = self.module(clips, f"{name}.conv2", *SIZES[layer]).transpose(1, 2).flatten(0, 1)
            return (x + self.norm(self.conv(y, f"{name}.conv3.0"), f"{name}.conv3.1")).relu()
        y = self.norm(self.conv(x, f"{name}.conv1"), f"{name}.bn1").relu()
        y = self.norm(self.conv(y, f"{name}.conv2", stride), f"{name}.bn2").relu()
        y = self.norm(self.conv(y, f"{name}.conv3"), f"{name}.bn3")
        if not i:
            x = self.norm(self.conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
        return (x + y).relu()

    def __call__(self, clips):
        frames = clips.shape[2]
        x = clips.transpose(1, 2).flatten(0, 1)
        x = F.max_pool2d(self.norm(self.conv(x, "base_model.conv1", 2), "base_model.bn1").relu(), 3, 2, 1)
        for layer, depth in enumerate((3, 4, 6, 3), 1):
            for i in range(depth):
                x = self.block(x, layer, i, frames)
        logits = F.linear(x.mean((2, 3)), self.state["new_fc.weight"], self.state["new_fc.bias"])
        return logits.unflatten(0, (-1, frames)).mean(1)


@pytest.fixture(scope="module")
def state():
    return released_state()


def checkpoint(path, state, **changes):
    """Save a state as the authors do: with the prefix `module.`, keys of a FLOP counter, and more than weights."""
    state = {f"module.{k}": v for k, v in (state | changes).items() if v is not None}
    for counter in ("total_ops", "total_params", "base_model.layer1.0.total_ops"):
        state[f"module.{counter}"] = torch.zeros(1)
    torch.save({"epoch": 44, "arch": "resnet50", "state_dict": state, "best_prec1": torch.tensor(50.1)}, path)
    return path


def test_made_checkpoint_has_the_released_counts(state):
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    parameters = [v for k, v in state.items() if not k.endswith(statistics)]
    assert (len(state), len(parameters), sum(v.numel() for v in parameters)) == (782, 413, 20_959_150)


def test_released_weights_give_released_logits(state, tmp_path):
    net = ctnet.load_released(checkpoint(tmp_path / "ct.pth.tar", state)).eval()
    assert sum(p.numel() for p in net.parameters()) == 20_959_150
    clips = torch.randn(2, 3, 5, 64, 64)
    with torch.inference_mode():
        expected = Released(state)(clips)
        assert expected.std() > 0.3
        torch.testing.assert_close(net(clips), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(net.fuse()(clips), expected, rtol=1e-4, atol=1e-4)


def test_released_weights_load_into_a_given_network(state, tmp_path):
    key = "base_model.layer1.1.conv2.conv1_z.0.weight"
    state = state | {key: state[key].to(memory_format=torch.channels_last_3d)}  # in any memory format
    net = ctnet.create_model("ctnet_resnet50", num_frames=16)
    assert ctnet.load_released(checkpoint(tmp_path / "ct.pth", state), model=net) is net
    assert torch.equal(net.fc.weight, state["new_fc.weight"])


def test_last_layer_of_checkpoint_without_dropout(state, tmp_path):
    renamed = {f"base_model.fc.{k}": state[f"new_fc.{k}"] for k in ("weight", "bias")}
    path = checkpoint(tmp_path / "ct.pth", state, **renamed, **{"new_fc.weight": None, "new_fc.bias": None})
    assert torch.equal(ctnet.load_released(path).fc.bias, state["new_fc.bias"])


def test_wrong_keys_are_listed_and_nothing_is_loaded(state, tmp_path):
    missing, misshapen = "base_model.layer2.1.conv2.conv2_z.0.weight", "base_model.layer4.2.conv3.weight"
    changes = {missing: None, misshapen: torch.zeros(3, 3, 1, 1), "base_model.layer9.weight": torch.zeros(2)}
    path = checkpoint(tmp_path / "ct.pth", state, **changes)
    net = ctnet.create_model("ctnet_resnet50")
    before = snapshot(net)
    with pytest.raises(WeightsError) as error:
        ctnet.load_released(path, model=net)
    text = str(error.value)
    assert "1 missing" in text and "1 extra" in text and "1 misshapen" in text and str(path) in text
    assert "layer2.1" in text and "layer9" in text and "layer4.2.conv3" in text and "(3, 3, 1, 1)" in text
    assert unchanged(net, before)


def test_other_network_or_class_count_raises(state, tmp_path):
    path = checkpoint(tmp_path / "ct.pth", state)
    for net in (ctnet.create_model("tsn_resnet50"), ctnet.create_model("ctnet_resnet50", num_classes=101)):
        before = snapshot(net)
        with pytest.raises(WeightsError):
            ctnet.load_released(path, model=net)
        assert unchanged(net, before)


def test_malicious_file_runs_nothing(tmp_path):
    touched, path = tmp_path / "touched", tmp_path / "evil.pth"
    torch.save({"state_dict": {"module.new_fc.bias": Payload(touched)}}, path)
    with pytest.raises(WeightsError) as error:
        ctnet.load_released(path)
    assert not touched.exists()
    start = (
        f"{path}: not a file of plain weights: it is damaged, or holds something other than tensors, and is not read"
    )
    assert str(error.value).startswith(start) and "weights_only" not in str(error.value)
    path.write_bytes(pickle.dumps(Payload(touched), protocol=2))
    with pytest.raises(WeightsError):
        ctnet.load_released(path)
    assert not touched.exists()


NO_WEIGHTS = [b"", b"not a checkpoint", None, {}, {"state_dict": {}}, {"a": 1}, [1, 2], torch.zeros(3)]


@pytest.mark.parametrize("content", NO_WEIGHTS)
def test_file_without_weights_is_named(content, tmp_path):
    path = tmp_path / "some.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(WeightsError, match="some.pth") as error:
        ctnet.load_released(path)
    assert "\n" not in str(error.value)
