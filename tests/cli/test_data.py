"""Commands about data sets: data prepare, data verify, data probe."""

import shutil

from ctnet.cli.main import main
from ctnet.data import prepare
from ctnet.experiments import probes
from tests.support.commands import mistake, output
from tests.support.toy import write_set


def test_prepare_prints_the_folder_and_verify_each_broken_clip(capsys, smoke, tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_DATA", str(smoke.parent))
    assert output(capsys, "data", "prepare", "motionpairs", "--scale", "smoke") == f"{smoke}\n"
    assert output(capsys, "data", "verify", "motionpairs", "--scale", "smoke") == f"{smoke}: every clip can be read\n"
    folder = shutil.copytree(smoke, tmp_path / smoke.name)
    broken = sorted(folder.rglob("*.avi"))[17]
    broken.write_bytes(b"no video")
    monkeypatch.setenv("CTNET_DATA", str(tmp_path))
    assert main("data verify motionpairs --scale smoke".split()) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{broken}: ") and captured.out.count("\n") == 1
    advice = f"remove {folder} and run: python -m ctnet data prepare motionpairs --scale smoke"
    assert captured.err.endswith(f"ctnet: {folder}: 1 listed above cannot be read; {advice}\n")


def test_verify_says_how_to_repair_a_set_of_own_videos(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_DATA", str(tmp_path / "sets"))
    videos = sorted(write_set(tmp_path / "made", clips=4).glob("*.avi"))
    for video, place in zip(videos, ("train/a", "train/b", "test/a", "test/b"), strict=True):
        (tmp_path / "my videos" / place).mkdir(parents=True)
        video.rename(tmp_path / "my videos" / place / video.name)
    words = ("data", "prepare", "mine", "--source", str(tmp_path / "my videos"))
    assert output(capsys, *words) == f"{tmp_path / 'sets' / 'mine'}\n"
    (missing := tmp_path / "my videos" / "test" / "b" / "train03.avi").unlink()
    assert main(["data", "verify", "mine"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{missing}: no such file\n"
    (line,) = (line for line in captured.err.splitlines() if line.startswith("ctnet: "))
    advice = "restore them, or leave them out (with the same --lists as before, if any): "
    assert line.endswith(f"{advice}python -m ctnet {' '.join(words[:-1])} '{words[-1]}'")
    assert main(list(words)) == 0 and main(["data", "verify", "mine"]) == 0


def test_prepare_draws_the_set(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_DATA", str(tmp_path))
    monkeypatch.setitem(prepare.DRAWN_SIZES, "smoke", prepare.DrawnSize(24, 6, 1, 1))
    absent = mistake(capsys, "data", "verify", "motionpairs", "--scale", "smoke")
    assert "data set absent; run: python -m ctnet data prepare motionpairs --scale smoke" in absent
    printed = output(capsys, "data", "prepare", "motionpairs", "--scale", "smoke", "--workers", 2)
    assert printed == f"{tmp_path / 'motionpairs-smoke'}\n"
    assert len(list(tmp_path.rglob("*.avi"))) == 3 * 44


def test_probe_prints_and_records_an_accuracy_for_each_classifier(capsys, places):
    printed = output(capsys, "data", "probe", "motionpairs", "--scale", "smoke")
    kept = probes.recorded("motionpairs", "smoke")
    assert kept["a linear classifier on"].tolist() == list(probes.FEATURES)
    for name, accuracy in zip(kept["a linear classifier on"], kept["top-1"], strict=True):
        (line,) = (line for line in printed.splitlines() if name in line)
        assert f" {accuracy} " in line
    assert (places / "results" / "smoke" / "probes-motionpairs.csv").is_file()
    assert "data set absent" in mistake(capsys, "data", "probe", "motionpairs", "--scale", "cpu")
