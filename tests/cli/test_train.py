"""Commands that train and test networks: train, evaluate, ensemble."""

import json

import numpy as np
import pytest

import ctnet
import ctnet.data
from ctnet import paths
from ctnet.cli.main import main
from ctnet.inference.scores import Clips, Scores
from ctnet.models.zoo import same_as
from tests.models.test_released import checkpoint, released_state
from tests.support.commands import mistake, output
from tests.support.toy import PLAIN, write_set


@pytest.fixture(scope="module")
def trained(smoke, tmp_path_factory):
    """The folder of runs and results after `train ctnet_resnet50 --scale smoke`."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTNET_DATA", str(smoke.parent))
        patch.setenv("CTNET_RUNS", str(folder / "runs"))
        patch.setenv("CTNET_RESULTS", str(folder / "results"))
        patch.setenv("TQDM_DISABLE", "1")
        assert main(["train", "ctnet_resnet50", "--scale", "smoke", "--threads", "1"]) == 0
    return folder


@pytest.fixture
def home(trained, smoke, monkeypatch):
    """The same folder, with the environment variables set for one test."""
    monkeypatch.setenv("CTNET_DATA", str(smoke.parent))
    monkeypatch.setenv("CTNET_RUNS", str(trained / "runs"))
    monkeypatch.setenv("CTNET_RESULTS", str(trained / "results"))
    return trained


@pytest.fixture
def weights(home):
    (file,) = home.glob("runs/smoke/*/weights.safetensors")
    return file


def test_train_prints_the_recorded_result_and_does_not_train_again(capsys, home, monkeypatch):
    from ctnet.experiments import runner

    monkeypatch.setattr(runner, "carry_out", lambda *_: pytest.fail("trained again"))
    capsys.readouterr()
    assert main("train ctnet_resnet50 --scale smoke --seeds 0 --devices 2".split()) == 0
    out, err = capsys.readouterr()
    assert err.startswith("ctnet: note: 1 of 1 already recorded and not run again; --fresh trains them again\n")
    printed = json.loads(out)
    (file,) = home.glob("results/smoke/*.json")
    record = json.loads(file.read_text())
    assert printed == {"result": file.stem, **record["metrics"]}
    tiers = ", ".join(f"{tier} {top1:.1f} %" for tier, top1 in printed["tiers"].items())
    assert f"\n{file.stem}: top-1 {printed['top1']:.1f} % ({tiers})\n" in err
    assert set(printed["tiers"]) == {"strict", "state change", "dynamics", "appearance"}


def test_train_on_several_devices_launches_the_same_words(capsys, home, monkeypatch):
    from ctnet.training import launch

    asked = []
    monkeypatch.setattr(launch, "launch", lambda *how: asked.append(how))
    words = "train tsm_resnet50 --scale smoke --devices 2 --nodes 2 --rendezvous host:29500".split()
    assert output(capsys, *words) == ""
    assert asked == [(["ctnet", *words], 2, 2, "host:29500")]
    assert json.loads(output(capsys, "train", "ctnet_resnet50", "--scale", "smoke", "--devices", 2))["top1"] >= 0
    assert len(asked) == 1, "a recorded experiment was launched"
    assert "unknown model" in mistake(capsys, "train", "tsm", "--scale", "smoke", "--devices", "2")


def test_launch_failure_is_the_exit_status(capsys, places, monkeypatch):
    monkeypatch.setattr("ctnet.training.launch.launch", lambda *how: 3)
    output(capsys, "train", "tsm_resnet50", "--scale", "smoke", "--devices", 2, status=3)


def test_train_refuses_unknown_initial_weights(capsys, places):
    message = mistake(capsys, *"train tsn_resnet50 --scale smoke --init nosuch".split())
    assert "init 'nosuch' is neither scratch, imagenet nor a prepared data set" in message


@pytest.mark.parametrize("words", [("interrupted in epoch 3; the same command resumes",), ()])
def test_interrupt_ends_with_130_and_says_how_to_resume(words, capsys, places, monkeypatch):
    from ctnet.experiments import runner

    def interrupt(*_):
        raise KeyboardInterrupt(*words)

    monkeypatch.setattr(runner, "carry_out", interrupt)
    assert main(["train", "tsn_resnet50", "--scale", "smoke"]) == 130
    assert capsys.readouterr().err == f"ctnet: {(*words, 'interrupted; the same command resumes')[0]}\n"


def test_train_refuses_networks_that_cannot_be_built_at_the_scale(capsys, places):
    message = mistake(capsys, "train", "ct_resnet50_blocks1", "--scale", "smoke")
    assert "ct_resnet50_blocks1 has no smoke scale (" in message and "use gpu or paper" in message
    assert "ct_resnet50_blocks1 has no cpu scale (" in mistake(capsys, "train", "ct_resnet50_blocks1")


def test_train_notes_a_network_that_is_the_same_at_this_scale(capsys, places):
    small = {"depths": (2, 2, 2)}
    assert same_as("ct_resnet50_blocks12", **small) == "ct_resnet50"
    assert same_as("ct_resnet50", **small) is same_as("ct_resnet50_blocks12") is None
    assert main(["train", "tsn_resnet101", "--scale", "smoke"]) == 0
    assert "at the smoke scale tsn_resnet101 is the same network as tsn_resnet50\n" in capsys.readouterr().err


def test_evaluate_repeats_the_metrics_of_the_training(capsys, home, smoke, little, weights, tmp_path):
    file = tmp_path / "scores.npz"
    printed = json.loads(output(capsys, "evaluate", weights, "--data", smoke, "--scores", file))
    record = json.loads(next(home.glob("results/smoke/*.json")).read_text())
    del record["metrics"]["shuffled"]
    assert printed == {"protocol": "8x1x1@32", **record["metrics"]}
    assert Scores.load(file).predictions.tolist() == record["predictions"]
    assert json.loads(output(capsys, "ensemble", file)) == printed
    small = little / "motionpairs-little"
    views = json.loads(output(capsys, "evaluate", weights, "--data", small, "--split", "train", "--clips", 2))
    assert views["protocol"] == "8x1x2@32" and views["clips"] == 44
    words = ("evaluate", weights, "--data", "motionpairs", "--scale", "smoke", "--workers", 0)
    assert json.loads(output(capsys, *words)) == printed


def test_evaluate_on_two_devices_gives_the_metrics_of_one(capfd, home, little, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # torchrun would announce that it sets it
    words = ("evaluate", weights, "--data", little / "motionpairs-little", "--workers", 0, "--scores")
    alone = json.loads(output(capfd, *words, tmp_path / "one.npz"))
    assert json.loads(output(capfd, *words, tmp_path / "two.npz", "--devices", 2)) == alone
    one, two = (Scores.load(tmp_path / name) for name in ("one.npz", "two.npz"))
    assert np.allclose(one.logits, two.logits, atol=1e-4) and one.labels.tolist() == two.labels.tolist()


def test_evaluate_on_two_devices_reports_a_missing_file(capfd, smoke, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    message = mistake(capfd, "evaluate", tmp_path / "none.safetensors", "--data", smoke, "--devices", 2)
    assert "none.safetensors" in message and "no such file" in message


def test_evaluate_takes_the_authors_checkpoint(capsys, tmp_path):
    file = checkpoint(tmp_path / "ct_net.pth.tar", released_state(num_classes=2))
    folder = write_set(tmp_path / "set", clips=1, split="test")
    assert main(["evaluate", str(file), "--data", str(folder)]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err.splitlines() == [
        f"ctnet: note: {file}: read as the authors' checkpoint of CT-Net on ResNet-50",
        f"{file} on toy, test: top-1 {found['top1']:.1f} %",
    ]
    assert found["protocol"] == str(ctnet.Protocol()) and found["clips"] == 1


def test_evaluate_reports_a_missing_set_split_or_folder(capsys, smoke, weights, tmp_path):
    assert f"{tmp_path / 'dataset.json'}: no such file" in mistake(capsys, "evaluate", weights, "--data", tmp_path)
    assert "unknown split 'val'; known: test, train" in mistake(
        capsys, "evaluate", weights, "--data", smoke, "--split", "val"
    )
    nowhere = tmp_path / "no" / "scores.npz"
    assert "no file can be written there" in mistake(capsys, "evaluate", weights, "--data", smoke, "--scores", nowhere)


def test_evaluate_refuses_another_number_of_classes(capsys, weights, tmp_path):
    write_set(tmp_path, clips=2, split="test")
    message = mistake(capsys, "evaluate", weights, "--data", tmp_path)
    assert f"{weights}: a network of 44 classes, but {tmp_path} has 2" in message


def test_evaluate_refuses_other_class_names_or_another_order(capsys, smoke, tmp_path):
    names = list(ctnet.data.DataInfo.read(smoke).classes)
    network = ctnet.create_model("tsn_resnet50", num_classes=len(names), num_frames=2, **PLAIN)
    names[3], names[5] = names[5], names[3]
    ctnet.save(network, tmp_path / "other.safetensors", classes=names, protocol={"frames": 2, "size": 32})
    message = mistake(capsys, "evaluate", tmp_path / "other.safetensors", "--data", smoke)
    assert f"its class 3 is '{names[3]}', that of {smoke} is '{names[5]}'" in message


def test_ensemble_averages_scores(capsys, tmp_path):
    labels = np.array([0, 1])
    for name, logits in {"a": [[2, 0], [1, 0]], "b": [[0, 1], [0, 3]], "other": [[0, 1]]}.items():
        clips = Clips("pairs", "train" if name == "other" else "test", str(len(logits)), ("left", "right"))
        Scores(np.array(logits, float), labels[: len(logits)], f"8x1x1@{name}", clips).save(tmp_path / f"{name}.npz")
    files = {name: tmp_path / f"{name}.npz" for name in ("a", "b", "other")}
    assert json.loads(output(capsys, "ensemble", files["a"]))["top1"] == 50
    printed = json.loads(output(capsys, "ensemble", files["a"], files["b"]))
    assert printed == {"protocol": "8x1x1@a + 8x1x1@b", "clips": 2, "top1": 100, "top5": 100}
    message = mistake(capsys, "ensemble", files["a"], files["other"])
    assert f"{files['other']}: other clips (train of pairs) than {files['a']} (test of pairs); an" in message
    assert "given twice" in mistake(capsys, "ensemble", files["a"], tmp_path / "." / ".." / tmp_path.name / "a.npz")
    assert "none.npz: no such file" in mistake(capsys, "ensemble", tmp_path / "none.npz")
