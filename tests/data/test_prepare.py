"""Drawing MotionPairs on disk: whole or not there, also after a kill; and `verify`."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

import ctnet.data
from ctnet import paths
from ctnet.data import prepare as preparing
from ctnet.data.home import locate
from ctnet.data.manifest import DataInfo, Manifest
from ctnet.data.motionpairs import CLASSES, REVERSE, clip, draw
from ctnet.data.prepare import prepare, verify
from ctnet.data.sampling import sample
from ctnet.data.video import read_frames
from ctnet.errors import ConfigError, DataError
from tests.support.killed import killed

DRAW = """
import sys
from dataclasses import replace
from ctnet.data import prepare as p
p.DRAWN_SIZES['tiny'] = p.DrawnSize(24, 6, {train}, 1)
p.prepare('motionpairs', 'tiny', sys.argv[1], workers=2)
"""
# The first of two drawing processes stops before it renames its tenth file, until its caller is killed.
WAITS = """
import os, sys, time

def wait(event, arguments, named=[], parent=os.getppid()):
    if event == "os.rename" and sys.orig_argv[-2:] == ["0", "2"]:
        named.append(arguments)
        while len(named) == 10 and os.getppid() == parent:
            time.sleep(0.01)

sys.addaudithook(wait)
"""


def start(root):
    """Draw the set in another process."""
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", DRAW.format(train=1), str(root)], env=environment, stderr=subprocess.PIPE
    )


def test_set_is_complete(tiny):
    info = DataInfo.read(tiny)
    assert info.name == "motionpairs-tiny" and info.scale == "tiny" and info.classes == CLASSES
    assert info.splits == {"train": 44, "validation": 44, "test": 44}
    for split in info.splits:
        manifest = Manifest.read(tiny, split, info)
        assert sorted(manifest.labels) == list(range(44)) and set(manifest.frames) == {6}
    assert verify(tiny) == []
    assert locate("motionpairs", "tiny", tiny.parent) == tiny
    assert not list(tiny.parent.glob(".*.partial"))


def test_twins_decode_to_reversed_frames_in_the_same_split(tiny):
    info = DataInfo.read(tiny)
    for split in info.splits:
        manifest = Manifest.read(tiny, split, info)
        clip = {int(manifest.labels[i]): read_frames(manifest.path(i), range(6)) for i in range(len(manifest))}
        for label, frames in clip.items():
            if REVERSE[label] != label:
                assert torch.equal(frames, clip[REVERSE[label]].flip(0))
                assert not torch.equal(frames, frames.flip(0))


def test_levels_of_noise_are_kept_by_the_files(tmp_path, monkeypatch):
    """Read back, the clips of the test split have the noise that the manifest names, as many clips for each level."""
    levels, every = (0.1, 0.7, 1.9), 44
    size = preparing.DrawnSize(24, 6, train=1, test=6, validation=3, width=36, others=0.5, levels=levels)
    monkeypatch.setitem(preparing.DRAWN_SIZES, "levels", size)
    folder = prepare("motionpairs", "levels", tmp_path, workers=2)
    info = DataInfo.read(folder)
    assert Manifest.read(folder, "train", info).conditions is None
    test = Manifest.read(folder, "test", info)
    assert len(test) == 16 * 6 + 28 * 3 and set(test.conditions) == {"0.1", "0.7", "1.9"}
    for label in range(every):
        of_class = [c for c, other in zip(test.conditions, test.labels, strict=True) if other == label]
        assert len(set(of_class)) == 3 and len(of_class) == (6 if label < 16 else 3)
    for row, index in enumerate(size.indices("test")):
        level = float(test.conditions[row])
        drawn, label = clip("test", 0, index, 24, 6, replace(size.difficulty, noise=(level, level)), 36)
        assert label == test.labels[row]
        read = read_frames(test.path(row), range(6)).numpy()
        clean, _ = clip("test", 0, index, 24, 6, replace(size.difficulty, noise=(0, 0)), 36)
        ours, theirs = ((frames.astype(float) - clean).std() for frames in (read, drawn))
        assert 0.95 < ours / theirs < 1.05, f"noise {level}: the codec changed it"


def test_second_call_changes_nothing(tiny, monkeypatch):
    def refuse(*_):
        raise AssertionError("drawn again")

    monkeypatch.setattr(draw, "write_clips", refuse)
    before = {p: p.stat().st_mtime_ns for p in tiny.rglob("*")}
    assert prepare("motionpairs", "tiny", tiny.parent) == tiny
    assert before == {p: p.stat().st_mtime_ns for p in tiny.rglob("*")}


def test_killed_call_leaves_no_set_and_the_next_call_completes_it(tmp_path, monkeypatch):
    monkeypatch.setitem(preparing.DRAWN_SIZES, "tiny", preparing.DrawnSize(24, 6, 3, 1))
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(WAITS)
    killed(20, DRAW.format(train=3), tmp_path, site=site)
    assert not (tmp_path / "motionpairs-tiny").exists()
    with pytest.raises(DataError, match="python -m ctnet data prepare motionpairs --scale tiny"):
        locate("motionpairs", "tiny", tmp_path)
    old = {p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("*.avi") if not p.name.startswith(".")}
    assert 20 <= len(old) < 5 * 44

    folder = prepare("motionpairs", "tiny", tmp_path, workers=2)
    assert verify(folder) == []
    assert len([p for p in folder.rglob("*.avi") if not p.name.startswith(".")]) == 5 * 44
    assert not list(tmp_path.glob(".*.partial")) and not list(folder.rglob(".*.avi"))
    kept = [p for p in folder.rglob("*.avi") if old.get(p.name) == p.stat().st_mtime_ns]
    assert len(kept) >= len(old) // 2, "finished files are not drawn again"


def test_two_calls_at_once_make_one_set(tmp_path):
    calls = [start(tmp_path) for _ in range(2)]
    assert [call.communicate() and call.returncode for call in calls] == [0, 0]
    assert verify(tmp_path / "motionpairs-tiny") == []
    assert not list(tmp_path.glob(".*.partial"))


def test_set_of_another_version_is_drawn_again(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "motionpairs-tiny"
    folder.mkdir()
    facts = json.loads((tiny / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**facts, "version": -1}))
    (tmp_path / ".motionpairs-tiny-00000000.partial").mkdir()
    with pytest.raises(DataError, match="of another version; run: python -m ctnet data prepare"):
        locate("motionpairs", "tiny", tmp_path)
    assert json.loads((prepare("motionpairs", "tiny", tmp_path, 2) / "dataset.json").read_text()) == facts
    assert verify(folder) == [] and not list(tmp_path.glob(".*.partial"))


def test_verify_reports_each_broken_file(tiny, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    videos = sorted((folder / "videos").rglob("*.avi"))
    videos[3].unlink()
    videos[10].write_bytes(videos[10].read_bytes()[:500])
    videos[70].write_bytes(b"text")
    lines = verify(folder)
    assert len(lines) == 3
    for broken in (3, 10, 70):
        assert any(line.startswith(str(videos[broken])) for line in lines)
    (folder / "test.csv").write_text("\n".join((folder / "test.csv").read_text().splitlines()[:-1]))
    assert any("43 clips, dataset.json says 44" in line for line in verify(folder))


def test_unwritable_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/motionpairs-tiny: cannot be written"):
        prepare("motionpairs", "tiny", tmp_path / "file")


def test_failing_drawing_process_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(preparing.DRAWN_SIZES, "tiny", preparing.DrawnSize(size=-5, frames=6, train=1, test=1))
    with pytest.raises(DataError, match="drawing stopped"):
        prepare("motionpairs", "tiny", tmp_path, workers=2)
    assert not (tmp_path / "motionpairs-tiny").exists()


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_test_clip_and_its_reversal_sample_the_same_frames(scale):
    total = preparing.DRAWN_SIZES[scale].frames
    indices = sample(total, 8)[0].tolist()
    assert [total - 1 - i for i in reversed(indices)] == indices


def test_unknown_scale_and_set_are_reported():
    with pytest.raises(ConfigError, match="smoke"):
        prepare("motionpairs", "smok")
    with pytest.raises(ConfigError, match="did you mean motionpairs"):
        prepare("motionpair")
    with pytest.raises(DataError, match="absent; run: python -m ctnet data prepare grid --source FOLDER"):
        locate("grid", root="/nowhere")


def test_exported_names_are_listed_and_can_be_imported():
    assert dir(ctnet.data) == sorted(ctnet.data.__all__)
    assert all(getattr(ctnet.data, name) is not None for name in ctnet.data.__all__)


def test_drawing_needs_no_torch():
    code = "import sys, ctnet.data.motionpairs.write; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT).returncode == 0
