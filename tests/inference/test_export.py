"""Exported files run without ctnet and give the same logits as the network, for any number of clips."""

import sys

import onnx
import onnxruntime
import pytest
import torch

from ctnet.errors import ConfigError
from ctnet.inference import export
from ctnet.inference.export import ExportError
from tests.support.networks import clips, network, random_statistics, settled

NAMES = ["ctnet_resnet50", "tsm_resnet50", "c3d_resnet50", "ct_resnet50_k3"]


def small(name):
    return settled(network(name, shallow=True), clips(name))


def run(path, x):
    """Return the logits of an exported file, computed by other code than that of `export`."""
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(x)
    session = onnxruntime.InferenceSession(path.read_bytes())
    return torch.from_numpy(session.run(None, {"clips": x.numpy()})[0])


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.parametrize("name", NAMES)
def test_exported_file_gives_the_logits_of_the_network(name, suffix, tmp_path):
    net, path = small(name), tmp_path / f"net{suffix}"
    gap = export.export(net, path, frames=4, size=64)
    assert 0 <= gap < 1e-4 and list(tmp_path.iterdir()) == [path], "one file holds the weights too"
    for batch in (1, 2, 5):
        x = clips(name, frames=4, batch=batch)
        with torch.inference_mode():
            expected = net(x)
            assert expected.std() > 0.05
            torch.testing.assert_close(run(path, x), expected, rtol=0, atol=1e-4)
    assert not net.fused and net.fc.weight.requires_grad, "the network is not changed"


def test_onnx_file_is_valid_and_names_input_and_output(tmp_path):
    export.to_onnx(small("ctnet_resnet50"), tmp_path / "net.onnx", frames=2, size=64)
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    (given,), (made,) = model.graph.input, model.graph.output
    batch, *rest = (d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim)
    assert (given.name, made.name, rest) == ("clips", "logits", [3, 2, 64, 64]) and isinstance(batch, str)


def test_inception_is_exported(tmp_path):
    """It has branches, pooling without padding, and CT-Modules that change the width."""
    net = random_statistics(network("ctnet_inception_v3"))
    assert export.to_program(net, tmp_path / "net.pt2", frames=2, size=75) < 1e-4


@pytest.mark.parametrize("name, message", [
    ("net.pt", "suffix must be .onnx or .pt2"),
    ("net", "suffix must be .onnx or .pt2"),
    ("no/net.onnx", "no file can be written there"),
    ("folder.pt2", "no file can be written there"),
])  # fmt: skip
def test_path_that_cannot_be_written_is_an_error(name, message, tmp_path):
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(ConfigError, match=f"^{tmp_path / name}: .*{message}"):
        export.export(small("tsn_resnet50"), tmp_path / name, 2, 64)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.pt2"]


def test_too_small_size_is_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(ConfigError, match="at least 75 x 75, not 64 x 64"):
        export.export(network("tsn_inception_v3"), tmp_path / "net.pt2", 2, 64)
    assert not list(tmp_path.iterdir())


def test_file_with_different_logits_is_removed(tmp_path, monkeypatch):
    load = torch.export.load

    def tampered(path):
        program = load(path)
        program.state_dict["fc.bias"].add_(0.01)
        return program

    monkeypatch.setattr(torch.export, "load", tampered)
    with pytest.raises(ExportError, match="net.pt2: not written, its logits differ from the network's by"):
        export.to_program(small("tsn_resnet50"), tmp_path / "net.pt2", 2, 64)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnxruntime", "onnxscript"])
def test_onnx_without_its_packages_says_what_to_install(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match=rf"ONNX needs the package {package}; run: pip install 'ctnet\[export\]'$"):
        export.to_onnx(small("tsn_resnet50"), tmp_path / "net.onnx", 2, 64)
    assert not list(tmp_path.iterdir())
