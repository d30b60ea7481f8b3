"""Commands about networks: list, cost, predict, export."""

import json
import re

import pytest
import torch

import ctnet
from ctnet.data.video import count_frames
from tests.models.test_released import checkpoint, released_state
from tests.support.commands import mistake, output
from tests.support.networks import Payload


@pytest.fixture(scope="module")
def weights(smoke, tmp_path_factory):
    """A file of a small network for the classes of MotionPairs."""
    names = ctnet.data.DataInfo.read(smoke).classes
    small = {"width": 16, "depths": (2, 2, 2)}
    network = ctnet.create_model("ctnet_resnet50", num_classes=len(names), num_frames=8, **small)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    ctnet.save(network, path, classes=names, protocol={"frames": 8, "size": 32})
    return path


@pytest.fixture
def video(smoke):
    return smoke / "videos" / "test" / "43" / "000043.avi"


def test_list_names_every_network(capsys):
    assert output(capsys, "list").splitlines() == ctnet.list_models()


def test_cost_as_text_and_as_json(capsys):
    words = ("cost", "ctnet_resnet50", "--frames", 8, "--crops", 3, "--clips", 2, "--size", 224)
    printed = json.loads(output(capsys, *words, "--json"))
    expected = ctnet.cost("ctnet_resnet50", protocol=ctnet.Protocol(8, 3, 2, 224))
    assert printed == {"model": "ctnet_resnet50", "protocol": "8x3x2@224", **vars(expected)}
    line = output(capsys, *words)
    assert line.startswith("ctnet_resnet50 8x3x2@224: ") and f"{expected.gflops:.3f} GFLOPs" in line
    fewer = json.loads(output(capsys, *words, "--classes", 10, "--json"))
    assert expected.params_m - fewer["params_m"] == pytest.approx(164 * 2049 / 1e6)


def test_predict_as_text_and_as_json(capsys, weights, video):
    printed = json.loads(output(capsys, "predict", video, "--weights", weights, "--top", 3, "--json"))
    assert len(printed) == 3 and all(set(line) == {"label", "probability"} for line in printed)
    assert 0 < sum(line["probability"] for line in printed) <= 1
    lines = output(capsys, "predict", video, "--weights", weights, "--top", 3).splitlines()
    assert len(lines) == 3
    for line, entry in zip(lines, printed, strict=True):
        assert line.startswith(entry["label"]) and f"{100 * entry['probability']:.1f} %" in line


def test_predict_save_draws_frames_and_saliency(capsys, weights, video, tmp_path):
    words = ("predict", video, "--weights", weights, "--json")
    printed = output(capsys, *words)
    for name, frames in (("seen.png", 1), ("seen.mp4", 8)):
        assert output(capsys, *words, "--save", tmp_path / name) == printed
        assert count_frames(tmp_path / name) == frames


@pytest.mark.parametrize(
    "name, why", [("seen.avi", "a picture is .png"), ("no/seen.png", "no file can be written there")]
)
def test_predict_checks_the_picture_file_before_anything_is_read(capsys, tmp_path, name, why):
    message = mistake(capsys, "predict", tmp_path / "no.mp4", "--weights", tmp_path / "no", "--save", tmp_path / name)
    assert f"{tmp_path / name}: {why}" in message


def test_predict_takes_the_authors_checkpoint(capsys, video, tmp_path):
    from ctnet.cli.main import main

    file = checkpoint(tmp_path / "ct_net.pth.tar", released_state(num_classes=7))
    capsys.readouterr()
    assert main(["predict", str(video), "--weights", str(file), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"ctnet: note: {file}: read as the authors' checkpoint of CT-Net on ResNet-50\n"
    expected = ctnet.predict(ctnet.load_released(file), video)
    assert [(line["label"], line["probability"]) for line in json.loads(captured.out)] == expected


def test_missing_or_damaged_file_is_one_line(capsys, weights, video, tmp_path):
    text = tmp_path / "text"
    text.write_text("text")
    assert f"{tmp_path / 'no.mp4'}: " in mistake(capsys, "predict", tmp_path / "no.mp4", "--weights", weights)
    assert f"{text}: " in mistake(capsys, "predict", text, "--weights", weights)
    assert f"{text}: not a file of our weights" in mistake(capsys, "predict", video, "--weights", text)
    assert "no: no such file" in mistake(capsys, "predict", video, "--weights", tmp_path / "no")
    assert "not a file of our weights" in mistake(capsys, "predict", video, "--weights", tmp_path)
    assert "from 1 up is needed, not '0'" in mistake(capsys, "predict", video, "--weights", weights, "--top", 0)


@pytest.mark.parametrize("name", ["evil.pth", "evil.pth.tar", "evil.safetensors"])
def test_pickled_code_in_a_weights_file_is_not_run(capsys, video, tmp_path, name):
    torch.save({"state_dict": {"new_fc.bias": Payload(tmp_path / "touched")}}, tmp_path / name)
    assert name in mistake(capsys, "predict", video, "--weights", tmp_path / name)
    assert name in mistake(capsys, "export", tmp_path / name, "--to", tmp_path / "net.pt2")
    assert not (tmp_path / "touched").exists() and not (tmp_path / "net.pt2").exists()


def test_export_writes_a_file_with_the_same_logits(capsys, weights, tmp_path):
    path = tmp_path / "net.pt2"
    line = output(capsys, "export", weights, "--to", path)
    shapes = "clips (N, 3, 8, 32, 32) -> logits (N, 44)"
    assert re.fullmatch(re.escape(f"{path}: {shapes}, equal to the network's within ") + r"\de-\d\d\n", line)
    clips = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        found = torch.export.load(path).module()(clips)
        torch.testing.assert_close(found, ctnet.load(weights)(clips), rtol=1e-4, atol=1e-4)


def test_export_checks_the_output_file_first(capsys, tmp_path):
    absent = tmp_path / "no"
    assert "suffix must be .onnx or .pt2" in mistake(capsys, "export", absent, "--to", tmp_path / "net.pb")
    assert "no file can be written there" in mistake(capsys, "export", absent, "--to", tmp_path / "no" / "net.pt2")
    assert f"{absent}: no such file" in mistake(capsys, "export", absent, "--to", tmp_path / "net.onnx")
