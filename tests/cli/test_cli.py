"""The command line: what each command prints, and that mistakes are one line and exit status 2."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import ctnet
import ctnet.data
from ctnet import paths
from ctnet.cli.main import main
from ctnet.data import prepare
from ctnet.inference.scores import Clips, Scores
from ctnet.models.zoo import same_as
from ctnet.paper import printed
from tests.support.toy import PLAIN

pytest_plugins = "tests.support.prepared"


@pytest.fixture(scope="module")
def trained(smoke, tmp_path_factory):
    """(folder, what `train` printed) of a CT-Net trained at the smoke scale by the command line."""
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
    monkeypatch.setenv("CTNET_DATA", str(smoke.parent))
    monkeypatch.setenv("CTNET_RUNS", str(trained / "runs"))
    monkeypatch.setenv("CTNET_RESULTS", str(trained / "results"))
    return trained


@pytest.fixture
def weights(home):
    (file,) = home.glob("runs/smoke/*/weights.safetensors")
    return file


@pytest.fixture
def video(smoke):
    return smoke / "videos" / "test" / "43" / "000043.avi"


def output(capsys, *words, status=0):
    capsys.readouterr()
    assert main([str(w) for w in words]) == status
    return capsys.readouterr().out


def mistake(capsys, *words) -> str:
    """The one line on standard error of a command that ends with status 2 and prints nothing else."""
    capsys.readouterr()
    assert main([str(w) for w in words]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("ctnet: ") and told.err.count("\n") == 1
    return told.err


def test_list_names_every_network(capsys):
    assert output(capsys, "list").splitlines() == ctnet.list_models()


def test_cost_as_text_and_as_json(capsys):
    words = ("cost", "ctnet_resnet50", "--frames", 8, "--crops", 3, "--clips", 2, "--size", 224)
    told = json.loads(output(capsys, *words, "--json"))
    expected = ctnet.cost("ctnet_resnet50", protocol=ctnet.Protocol(8, 3, 2, 224))
    assert told == {"model": "ctnet_resnet50", "protocol": "8x3x2@224", **vars(expected)}
    line = output(capsys, *words)
    assert line.startswith("ctnet_resnet50 8x3x2@224: ") and f"{expected.gflops:.3f} GFLOPs" in line
    fewer = json.loads(output(capsys, *words, "--classes", 10, "--json"))
    assert expected.params_m - fewer["params_m"] == pytest.approx(164 * 2049 / 1e6)


@pytest.fixture
def few(monkeypatch):
    """Two of the tables: the costs of all are tested elsewhere."""
    rows = tuple(row for row in printed.rows() if row.table in ("1", "2g"))
    monkeypatch.setattr(printed, "rows", lambda: rows)


def test_rows_as_json_are_one_object_for_each_row(capsys, home, few):
    lines = [json.loads(line) for line in output(capsys, "rows", "--json").splitlines()]
    assert [(line["table"], line["row"]) for line in lines] == [(r.table, r.row) for r in printed.rows()]
    for line in lines:
        assert set(line) == {"table", "row", "paper", "ours", "experiment"}
        assert line["ours"] is None or set(line["ours"]) == {"gflops", "gmacs", "params_m"}
    rows = {(line["table"], line["row"]): line for line in lines}
    assert rows["2g", "tsn"]["paper"]["gflops"] == 43.0
    assert rows["2g", "tsn"]["ours"]["gflops"] == pytest.approx(43.0, abs=0.1)
    assert rows["2g", "tsn"]["experiment"] is None
    (recorded,) = home.glob("results/smoke/*.json")
    (row,) = (r for r in printed.rows() if r.table == "2g" and r.models == ("ctnet_resnet50",))
    assert rows["2g", row.row]["experiment"] == recorded.stem


def test_rows_as_text_put_paper_and_ours_side_by_side(capsys, few):
    lines = output(capsys, "rows").splitlines()
    assert lines[0].split() == ["table", "row", "paper", "ours", "parameters"]
    assert len(lines) == 1 + sum(1 for r in printed.rows() if r.models)
    assert len({len(line) for line in lines}) == 1, "columns"
    assert any(re.fullmatch(r" *2g tsn +43\.0 +4\d\.\d{3} G +\d\d\.\d\d M", line) for line in lines)


def test_prepare_and_verify(capsys, smoke, tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_DATA", str(smoke.parent))
    assert output(capsys, "data", "prepare", "motionpairs", "--scale", "smoke") == f"{smoke}\n"
    assert output(capsys, "data", "verify", "motionpairs", "--scale", "smoke") == f"{smoke}: every clip can be read\n"
    folder = shutil.copytree(smoke, tmp_path / smoke.name)
    broken = sorted(folder.rglob("*.avi"))[17]
    broken.write_bytes(b"no video")
    monkeypatch.setenv("CTNET_DATA", str(tmp_path))
    assert main("data verify motionpairs --scale smoke".split()) == 1
    told = capsys.readouterr()
    assert told.out.startswith(f"{broken}: ") and told.out.count("\n") == 1
    mend = f"remove {folder} and run: python -m ctnet data prepare motionpairs --scale smoke"
    assert told.err.endswith(f"ctnet: {folder}: 1 named above; {mend}\n")


def test_verify_says_how_to_make_a_set_whole(capsys, tmp_path, monkeypatch):
    from tests.support.toy import write_set

    monkeypatch.setenv("CTNET_DATA", str(tmp_path / "sets"))
    videos = sorted(write_set(tmp_path / "made", clips=4).glob("*.avi"))
    for video, place in zip(videos, ("train/a", "train/b", "test/a", "test/b"), strict=True):
        (tmp_path / "my videos" / place).mkdir(parents=True)
        video.rename(tmp_path / "my videos" / place / video.name)
    words = ("data", "prepare", "mine", "--source", str(tmp_path / "my videos"))
    assert output(capsys, *words) == f"{tmp_path / 'sets' / 'mine'}\n"
    (missing := tmp_path / "my videos" / "test" / "b" / "train03.avi").unlink()
    assert main(["data", "verify", "mine"]) == 1
    told = capsys.readouterr()
    assert told.out == f"{missing}: no such file\n"
    (line,) = (line for line in told.err.splitlines() if line.startswith("ctnet: "))
    mend = "restore them, or leave them out (with the same --lists as before, if any): "
    assert line.endswith(f"{mend}python -m ctnet {' '.join(words[:-1])} '{words[-1]}'")
    assert main(list(words)) == 0 and main(["data", "verify", "mine"]) == 0


def test_prepare_makes_the_set(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_DATA", str(tmp_path))
    monkeypatch.setitem(prepare.DRAWN_SIZES, "smoke", prepare.DrawnSize(24, 6, 1, 1))
    absent = mistake(capsys, "data", "verify", "motionpairs", "--scale", "smoke")
    assert "data set absent; run: python -m ctnet data prepare motionpairs --scale smoke" in absent
    told = output(capsys, "data", "prepare", "motionpairs", "--scale", "smoke", "--workers", 2)
    assert told == f"{tmp_path / 'motionpairs-smoke'}\n"
    assert len(list(tmp_path.rglob("*.avi"))) == 88


def test_train_prints_the_recorded_result_and_does_not_train_again(capsys, home, monkeypatch):
    from ctnet.experiments import run

    monkeypatch.setattr(run, "carry_out", lambda *_: pytest.fail("trained again"))
    capsys.readouterr()
    assert main("train ctnet_resnet50 --scale smoke --seeds 0 --devices 2".split()) == 0
    out, err = capsys.readouterr()
    assert err.startswith("ctnet: note: 1 of 1 recorded already, and not run again; --fresh trains anew\n")
    told = json.loads(out)
    (file,) = home.glob("results/smoke/*.json")
    record = json.loads(file.read_text())
    assert told == {"result": file.stem, **record["metrics"]}
    tiers = ", ".join(f"{tier} {top1:.1f} %" for tier, top1 in told["tiers"].items())
    assert f"\n{file.stem}: top-1 {told['top1']:.1f} % ({tiers})\n" in err
    assert set(told["tiers"]) == {"strict", "state change", "dynamics", "appearance"}


def test_several_devices_are_one_job_that_is_given_the_same_words(capsys, home, monkeypatch):
    from ctnet.training import launch

    asked = []
    monkeypatch.setattr(launch, "launch", lambda *how: asked.append(how))
    words = "train tsm_resnet50 --scale smoke --devices 2 --nodes 2 --rendezvous host:29500".split()
    assert output(capsys, *words) == ""
    assert asked == [(["ctnet", *words], 2, 2, "host:29500")]
    assert json.loads(output(capsys, "train", "ctnet_resnet50", "--scale", "smoke", "--devices", 2))["top1"] >= 0
    assert len(asked) == 1, "what is recorded is not run"
    assert "unknown model" in mistake(capsys, "train", "tsm", "--scale", "smoke", "--devices", "2")


def test_evaluate_repeats_the_numbers_of_the_training(capsys, home, smoke, little, weights, tmp_path):
    file = tmp_path / "scores.npz"
    told = json.loads(output(capsys, "evaluate", weights, "--data", smoke, "--scores", file))
    record = json.loads(next(home.glob("results/smoke/*.json")).read_text())
    del record["metrics"]["shuffled"]
    assert told == {"protocol": "8x1x1@32", **record["metrics"]}
    assert Scores.load(file).predictions.tolist() == record["predictions"]
    assert json.loads(output(capsys, "ensemble", file)) == told
    small = little / "motionpairs-little"
    views = json.loads(output(capsys, "evaluate", weights, "--data", small, "--split", "train", "--clips", 2))
    assert views["protocol"] == "8x1x2@32" and views["clips"] == 44
    words = ("evaluate", weights, "--data", "motionpairs", "--scale", "smoke", "--workers", 0)
    assert json.loads(output(capsys, *words)) == told


def test_evaluate_on_two_devices_gives_the_numbers_of_one(capfd, home, smoke, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # torchrun would announce that it sets it
    words = ("evaluate", weights, "--data", smoke, "--workers", 0, "--scores")
    alone = json.loads(output(capfd, *words, tmp_path / "one.npz"))
    assert json.loads(output(capfd, *words, tmp_path / "two.npz", "--devices", 2)) == alone
    one, two = (Scores.load(tmp_path / name) for name in ("one.npz", "two.npz"))
    assert np.allclose(one.logits, two.logits, atol=1e-4) and one.labels.tolist() == two.labels.tolist()
    told = mistake(capfd, "evaluate", tmp_path / "none.safetensors", "--data", smoke, "--devices", 2)
    assert "none.safetensors" in told and "no such file" in told


def test_an_ensemble_is_the_average_of_scores(capsys, tmp_path):
    labels = np.array([0, 1])
    for name, logits in {"a": [[2, 0], [1, 0]], "b": [[0, 1], [0, 3]], "other": [[0, 1]]}.items():
        clips = Clips("pairs", "train" if name == "other" else "test", str(len(logits)), ("left", "right"))
        Scores(np.array(logits, float), labels[: len(logits)], f"8x1x1@{name}", clips).save(tmp_path / f"{name}.npz")
    files = {name: tmp_path / f"{name}.npz" for name in ("a", "b", "other")}
    assert json.loads(output(capsys, "ensemble", files["a"]))["top1"] == 50
    told = json.loads(output(capsys, "ensemble", files["a"], files["b"]))
    assert told == {"protocol": "8x1x1@a + 8x1x1@b", "clips": 2, "top1": 100, "top5": 100}
    told = mistake(capsys, "ensemble", files["a"], files["other"])
    assert f"{files['other']}: other clips (train of pairs) than {files['a']} (test of pairs); an" in told
    assert "given twice" in mistake(capsys, "ensemble", files["a"], tmp_path / "." / ".." / tmp_path.name / "a.npz")
    assert "none.npz: no such file" in mistake(capsys, "ensemble", tmp_path / "none.npz")


def test_predict_as_text_and_as_json(capsys, weights, video):
    told = json.loads(output(capsys, "predict", video, "--weights", weights, "--top", 3, "--json"))
    assert len(told) == 3 and all(set(line) == {"label", "probability"} for line in told)
    assert 0 < sum(line["probability"] for line in told) <= 1
    lines = output(capsys, "predict", video, "--weights", weights, "--top", 3).splitlines()
    assert len(lines) == 3
    for line, entry in zip(lines, told, strict=True):
        assert line.startswith(entry["label"]) and f"{100 * entry['probability']:.1f} %" in line


def test_predict_draws_what_it_saw(capsys, weights, video, tmp_path):
    from ctnet.data.video import count_frames

    words = ("predict", video, "--weights", weights, "--json")
    told = output(capsys, *words)
    for name, frames in (("seen.png", 1), ("seen.mp4", 8)):
        assert output(capsys, *words, "--save", tmp_path / name) == told
        assert count_frames(tmp_path / name) == frames
    for name, why in (("seen.avi", "a picture is .png"), ("no/seen.png", "no file can be written there")):
        told = mistake(capsys, "predict", tmp_path / "no.mp4", "--weights", tmp_path / "no", "--save", tmp_path / name)
        assert f"{tmp_path / name}: {why}" in told, "before any work"


def test_predict_and_export_take_the_authors_checkpoint(capsys, video, tmp_path):
    from tests.models.test_released import checkpoint, released_state

    file = checkpoint(tmp_path / "ct_net.pth.tar", released_state(num_classes=7))
    capsys.readouterr()
    assert main(["predict", str(video), "--weights", str(file), "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == f"ctnet: note: {file}: read as the authors' checkpoint of CT-Net on ResNet-50\n"
    expected = ctnet.predict(ctnet.load_released(file), video)
    assert [(line["label"], line["probability"]) for line in json.loads(told.out)] == expected


def test_evaluate_takes_the_authors_checkpoint(capsys, tmp_path):
    from tests.models.test_released import checkpoint, released_state
    from tests.support.toy import write_set

    file = checkpoint(tmp_path / "ct_net.pth.tar", released_state(num_classes=2))
    folder = write_set(tmp_path / "set", clips=1, split="test")
    assert main(["evaluate", str(file), "--data", str(folder)]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert told.err.splitlines() == [
        f"ctnet: note: {file}: read as the authors' checkpoint of CT-Net on ResNet-50",
        f"{file} on toy, test: top-1 {found['top1']:.1f} %",
    ]
    assert found["protocol"] == str(ctnet.Protocol()) and found["clips"] == 1


def test_foreign_files_run_no_code(capsys, video, tmp_path):
    import torch

    from tests.support.networks import Payload

    for name in ("evil.pth", "evil.pth.tar", "evil.safetensors"):
        torch.save({"state_dict": {"new_fc.bias": Payload(tmp_path / "touched")}}, tmp_path / name)
        assert name in mistake(capsys, "predict", video, "--weights", tmp_path / name)
        assert name in mistake(capsys, "export", tmp_path / name, "--to", tmp_path / "net.pt2")
    assert not (tmp_path / "touched").exists() and not (tmp_path / "net.pt2").exists()


def test_export_writes_a_file_that_other_programs_run(capsys, weights, tmp_path):
    import torch

    path = tmp_path / "net.pt2"
    line = output(capsys, "export", weights, "--to", path)
    shapes = "clips (N, 3, 8, 32, 32) -> logits (N, 44)"
    assert re.fullmatch(re.escape(f"{path}: {shapes}, equal to the network's within ") + r"\de-\d\d\n", line)
    clips = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        found = torch.export.load(path).module()(clips)
        torch.testing.assert_close(found, ctnet.load(weights)(clips), rtol=1e-4, atol=1e-4)
    absent = tmp_path / "no"
    assert "suffix must be .onnx or .pt2" in mistake(capsys, "export", absent, "--to", tmp_path / "net.pb")
    assert "no file can be written there" in mistake(capsys, "export", absent, "--to", tmp_path / "no" / "net.pt2")
    assert f"{absent}: no such file" in mistake(capsys, "export", absent, "--to", tmp_path / "net.onnx")


def test_unknown_names_are_one_line_with_the_near_ones(capsys, home):
    assert "unknown model 'ctnet_resnet5'; did you mean ctnet_resnet50" in mistake(capsys, "cost", "ctnet_resnet5")
    assert "unknown model 'tsn'" in mistake(capsys, "train", "tsn", "--scale", "smoke")
    assert "did you mean smoke?" in mistake(capsys, "train", "tsn_resnet50", "--scale", "smok")
    assert "did you mean smoke?" in mistake(capsys, "data", "prepare", "motionpairs", "--scale", "smok")
    assert "motionpair" in mistake(capsys, "data", "prepare", "motionpair", "--scale", "smoke")
    for words in ("data verify mine", "evaluate w --data set", "data prepare hmdb51 --source x"):
        known = ", ".join(sorted(prepare.DRAWN_SIZES))  # with those that tests add
        assert f"'huge'; known: {known}\n" in mistake(capsys, *words.split(), "--scale", "huge")
    assert "'huge'; known: cpu, gpu, paper, smoke" in mistake(capsys, "train", "tsn_resnet50", "--scale", "huge")
    assert "crops must be 1 or 3, not 2" in mistake(capsys, "cost", "tsn_resnet50", "--crops", 2)
    assert "at least 75 x 75" in mistake(capsys, "cost", "tsn_inception_v3", "--size", 64)


def test_files_that_are_missing_or_broken_are_one_line(capsys, smoke, weights, video, tmp_path):
    text = tmp_path / "text"
    text.write_text("text")
    assert f"{tmp_path / 'no.mp4'}: " in mistake(capsys, "predict", tmp_path / "no.mp4", "--weights", weights)
    assert f"{text}: " in mistake(capsys, "predict", text, "--weights", weights)
    assert f"{text}: not a file of our weights" in mistake(capsys, "predict", video, "--weights", text)
    assert "no: no such file" in mistake(capsys, "predict", video, "--weights", tmp_path / "no")
    told = mistake(capsys, *"train tsn_resnet50 --scale smoke --init nosuch".split())
    assert "init 'nosuch' is neither scratch, imagenet nor a prepared data set" in told
    assert "not a file of our weights" in mistake(capsys, "predict", video, "--weights", tmp_path)
    assert f"{tmp_path / 'dataset.json'}: no such file" in mistake(capsys, "evaluate", weights, "--data", tmp_path)
    assert "unknown split 'val'; known: test, train" in mistake(
        capsys, "evaluate", weights, "--data", smoke, "--split", "val"
    )
    nowhere = tmp_path / "no" / "scores.npz"
    assert "no file can be written there" in mistake(capsys, "evaluate", weights, "--data", smoke, "--scores", nowhere)
    assert "from 1 up is needed, not '0'" in mistake(capsys, "predict", video, "--weights", weights, "--top", 0)


def test_a_network_of_other_classes_is_not_evaluated(capsys, weights, tmp_path):
    from tests.support.toy import write_set

    write_set(tmp_path, clips=2, split="test")
    told = mistake(capsys, "evaluate", weights, "--data", tmp_path)
    assert f"{weights}: a network of 44 classes, {tmp_path} has 2" in told


def test_a_network_of_other_names_or_another_order_is_not_evaluated(capsys, home, smoke, tmp_path):
    names = list(ctnet.data.DataInfo.read(smoke).classes)
    network = ctnet.create_model("tsn_resnet50", num_classes=len(names), num_frames=2, **PLAIN)
    names[3], names[5] = names[5], names[3]
    ctnet.save(network, tmp_path / "other.safetensors", classes=names, protocol={"frames": 2, "size": 32})
    told = mistake(capsys, "evaluate", tmp_path / "other.safetensors", "--data", smoke)
    assert f"its class 3 is '{names[3]}', that of {smoke} is '{names[5]}'" in told


def test_parameters_of_a_notebook_are_checked(capsys):
    assert "--params is not JSON" in mistake(capsys, "run", "notebooks/start.ipynb", "--params", "{scale}")
    assert "must be a JSON object" in mistake(capsys, "run", "notebooks/start.ipynb", "--params", "[1]")
    assert "nothing.ipynb" in mistake(capsys, "run", "notebooks/nothing.ipynb")


WRONG_NUMBERS = [
    ("train --workers -1", 0),
    ("train --seeds x", 0),
    ("train --threads 1.5", 1),
    ("train --threads 0", 1),
    ("train --devices 0", 1),
    ("train --nodes 0", 1),
    ("train --epochs 0", 1),
    ("cost --frames 0", 1),
    ("cost --classes -1", 1),
]


@pytest.mark.parametrize("words, least", WRONG_NUMBERS)
def test_numbers_that_are_none_are_refused_before_anything_runs(capsys, words, least):
    command, option, number = words.split()
    told = mistake(capsys, command, "tsn_resnet50", option, number)
    assert f"argument {option}: a whole number from {least} up is needed, not '{number}'" in told


def test_a_mistake_in_the_words_is_one_line_too(capsys):
    assert "required: COMMAND; see python -m ctnet --help" in mistake(capsys)
    assert "invalid choice: 'trian'" in mistake(capsys, "trian")
    assert "arguments: --seed; see" in mistake(capsys, "list", "--seed")
    assert "required: --weights; see python -m ctnet predict --help" in mistake(capsys, "predict", "a.mp4")


def test_every_option_has_a_text_and_its_default():
    from argparse import SUPPRESS

    from ctnet.cli.main import parser

    (commands,) = (action for action in parser()._actions if action.choices)
    assert len(commands.choices) == 11 and all(c.description for c in commands.choices.values())
    for name, command in commands.choices.items():
        command.format_help()
        for action in command._actions:
            assert action.help, (name, action.dest)
            if action.default not in (None, False, SUPPRESS, []):
                assert "default: %(default)s" in action.help, (name, action.dest)


@pytest.mark.parametrize("words", [("interrupted in epoch 3; the same command goes on",), ()])
def test_an_interrupt_says_how_to_go_on(words, capsys, home, monkeypatch):
    from ctnet.experiments import run

    def interrupt(*_):
        raise KeyboardInterrupt(*words)

    monkeypatch.setattr(run, "carry_out", interrupt)
    assert main(["train", "tsn_resnet50", "--scale", "smoke"]) == 130
    assert capsys.readouterr().err == f"ctnet: {(*words, 'interrupted; the same command goes on')[0]}\n"


def test_numbers_beyond_all_sense_are_one_line_too(capsys):
    nines = "9" * 5000
    for words in (("train", "tsn_resnet50", "--seeds", nines), ("cost", "tsn_resnet50", "--size", 10**6)):
        assert "is needed, not '" in mistake(capsys, *words)
    assert "--rounds: a whole number from 1 up is needed" in mistake(capsys, "bench", "--rounds", "x")
    assert "'no' (choose from" in mistake(capsys, "bench", "--only", "no")


def test_a_small_scale_says_what_it_has_no_form_of_and_what_is_alike_there(capsys, home):
    told = mistake(capsys, "train", "ctnet_inception_v3", "--scale", "smoke")
    assert "ctnet_inception_v3 has no smoke scale (" in told and "use gpu or paper" in told
    assert "ct_resnet50_blocks1 has no cpu scale (" in mistake(capsys, "train", "ct_resnet50_blocks1")
    small = {"depths": (2, 2, 2)}
    assert same_as("ct_resnet50_blocks12", **small) == "ct_resnet50"
    assert same_as("ct_resnet50", **small) is same_as("ct_resnet50_blocks12") is None
    assert main(["train", "tsn_resnet101", "--scale", "smoke"]) == 0
    assert "at the smoke scale tsn_resnet101 is the same network as tsn_resnet50\n" in capsys.readouterr().err


def python(*words):
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment)


def test_a_mistake_in_the_shell_is_one_line_without_a_traceback():
    done = python("-m", "ctnet", "data", "prepare", "motionpairs", "--scale", "smok")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("ctnet: unknown scale") and done.stderr.count("\n") == 1


HEAVY = ("torchvision", "lightning", "torchmetrics", "matplotlib", "pandas", "decord", "av", "scipy", "plotly")
LIGHT = f"""
import sys
import ctnet
def loaded():
    print("torch" in sys.modules, [name for name in {HEAVY} if name in sys.modules])
loaded()
model = ctnet.create_model("ctnet_resnet50", num_classes=5, width=16)
import torch
model(torch.rand(1, 3, 2, 64, 64))
ctnet.cost(model)
loaded()
"""


def test_importing_the_package_and_making_a_model_take_only_what_they_use():
    done = python("-c", LIGHT)
    assert done.stdout == "False []\nTrue []\n", done.stderr
