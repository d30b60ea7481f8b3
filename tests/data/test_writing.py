"""Sets of class folders and sets that are written over existing videos."""

import csv
import json
import os
import shutil

import numpy as np
import pytest

from ctnet.cli.main import main
from ctnet.data.dataset import VideoDataset
from ctnet.data.home import locate
from ctnet.data.manifest import DataInfo, Manifest
from ctnet.data.prepare import from_folders, prepare, verify
from ctnet.data.video import write_video
from ctnet.data.writing import write_set
from ctnet.errors import ConfigError, DataError


def film(path, frames=10):
    """Write a video and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.stack([np.full((16, 16, 3), 8 * t, np.uint8) for t in range(frames)]))
    return path


def rows(folder, split):
    """The rows of a manifest, as texts."""
    with (folder / f"{split}.csv").open() as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def test_class_folders_make_a_set(tmp_path):
    for name in ("run", "jump"):
        for n in range(20):
            film(tmp_path / "videos" / name / f"{name}{n}.avi", 3 + n)
    (tmp_path / "videos" / "run" / "notes.txt").write_text("no video")
    folder = from_folders(tmp_path / "videos", tmp_path / "sets" / "mine")
    assert folder == locate("mine", root=tmp_path / "sets") and verify(folder) == []
    info = DataInfo.read(folder)
    assert info.classes == ("jump", "run") and sum(info.splits.values()) == 40 and info.tiers is None
    assert 2 <= info.splits["test"] <= 16
    assert rows(folder, "train") == rows(from_folders(tmp_path / "videos", tmp_path / "again"), "train")
    data = VideoDataset(folder, "train", 4, 16, True)
    clip, label, _ = data[0]
    assert clip.shape == (3, 4, 16, 16) and info.classes[label] in str(data.manifest.path(0))
    assert set(Manifest.read(folder, "train", info).frames) <= set(range(3, 23))


def test_given_splits_are_kept(tmp_path):
    for split, n in (("train", 3), ("val", 2)):
        for name in ("a", "b"):
            for k in range(n):
                film(tmp_path / "videos" / split / name / f"{k}.avi")
    folder = from_folders(tmp_path / "videos", tmp_path / "mine")
    assert DataInfo.read(folder).splits == {"train": 6, "test": 4}  # val becomes test if there is no test folder
    assert all("/val/" in path for path, *_ in rows(folder, "test"))
    film(tmp_path / "videos" / "test" / "a" / "0.avi")
    folder = from_folders(tmp_path / "videos", tmp_path / "mine")
    assert DataInfo.read(folder).splits == {"train": 6, "val": 4, "test": 1}


def test_videos_that_all_hash_to_one_split_are_refused(tmp_path):
    film(tmp_path / "videos" / "a" / "0.avi")
    with pytest.raises(
        DataError, match="its 1 videos would be in one split, '(train|test)'; make folders train/ and test/"
    ):
        from_folders(tmp_path / "videos", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_broken_videos_are_left_out_and_reported(tmp_path):
    for split in ("train", "test"):
        for n in range(2):
            film(tmp_path / "videos" / split / "a" / f"{n}.avi")
    bad = tmp_path / "videos" / "train" / "a" / "0.avi"
    bad.write_bytes(b"text")
    folder = from_folders(tmp_path / "videos", tmp_path / "mine")
    assert DataInfo.read(folder).splits == {"train": 1, "test": 2} and verify(folder) == []
    report = (folder / "report.txt").read_text()
    assert report.startswith("train: 1 found of 2 listed\ntest: 2 found of 2 listed\nclasses: 1\n\n")
    assert f"left out of train: {bad}: " in report and report.count("left out") == 1


def test_truncated_avi_is_kept_and_reported(tmp_path):
    for split in ("train", "test"):
        for n in range(2):
            film(tmp_path / "videos" / split / "a" / f"{n}.avi", 30)
    whole, cut = (tmp_path / "videos" / "train" / "a" / f"{n}.avi" for n in range(2))
    whole.write_bytes(whole.read_bytes() + bytes(99))  # a file longer than its header says is fine
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 6 // 10])
    folder = from_folders(tmp_path / "videos", tmp_path / "mine")
    frames = Manifest.read(folder, "train", DataInfo.read(folder)).frames.tolist()
    assert frames[0] == 30 and 0 < frames[1] < 30 and verify(folder) == []
    report = (folder / "report.txt").read_text()
    assert report.endswith(f"\n\nkept, but short: {cut}: ends early: {frames[1]} of 30 frames\n")


def test_folder_without_videos_is_no_class_and_is_reported(tmp_path, monkeypatch, capsys):
    for name in ("a", "c"):
        film(tmp_path / "videos" / "train" / name / "0.avi")
    film(tmp_path / "videos" / "test" / "c" / "0.avi")
    for name in ("train/b", "test/b", "test/a", os.fsdecode(b"test/caf\xe9")):
        (tmp_path / "videos" / name).mkdir()
    (tmp_path / "videos" / "train" / "b" / "notes.txt").write_text("no video")
    monkeypatch.setenv("CTNET_DATA", str(tmp_path / "sets"))
    assert main(["data", "prepare", "mine", "--source", str(tmp_path / "videos")]) == 0
    printed, folder = capsys.readouterr().err, tmp_path / "sets" / "mine"
    assert DataInfo.read(folder).classes == ("a", "c") and [row[1] for row in rows(folder, "train")] == ["0", "1"]
    for line in ("folders without a video, not used as classes: 2 (b, caf?)", "classes without a clip in test: 1 (a)"):
        assert f"\n{line}\n" in printed
    summary, _, details = (folder / "report.txt").read_text().partition("\n\n")
    assert "classes: 2\n" in summary
    assert (
        details == "folder without a video, which is no class: b\n"
        "folder without a video, which is no class: caf?\n"
        "class without a clip in test: a\n"
    )


def test_replacing_a_set_of_another_source_is_reported(tmp_path, capsys):
    for source in ("one", "other"):
        for split in ("train", "test"):
            film(tmp_path / source / split / "a" / "0.avi")
    for _ in range(2):
        prepare("mine", root=tmp_path / "sets", source=tmp_path / "one")
    assert "note" not in capsys.readouterr().err
    folder = prepare("mine", root=tmp_path / "sets", source=tmp_path / "other")
    note = f"ctnet: note: {folder}: was made of {tmp_path / 'one'}, and is now of {tmp_path / 'other'}; "
    assert note in capsys.readouterr().err
    assert DataInfo.read(folder).extra["source"] == str(tmp_path / "other")


def test_no_set_is_made_without_readable_videos(tmp_path):
    for split in ("train", "test"):
        film(tmp_path / "videos" / split / "a" / "0.avi")
    bad = tmp_path / "videos" / "test" / "a" / "0.avi"
    bad.write_bytes(b"text")
    with pytest.raises(DataError, match=f"mine: 0 of 1 videos of its test split can be used; the first: {bad}"):
        from_folders(tmp_path / "videos", tmp_path / "mine")
    with pytest.raises(DataError, match="no folders of videos"):
        from_folders(tmp_path / "videos" / "train" / "a", tmp_path / "mine")
    with pytest.raises(DataError, match="no videos in its folders a, empty"):
        (tmp_path / "videos" / "train" / "empty").mkdir()
        bad.unlink(), (bad.parents[2] / "train" / "a" / "0.avi").unlink()
        from_folders(tmp_path / "videos", tmp_path / "mine")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        from_folders(tmp_path / "nowhere", tmp_path / "mine")
    assert not (tmp_path / "mine").exists() and not list(tmp_path.glob(".mine*.partial"))


def test_empty_split_is_refused_and_the_old_set_is_kept(tmp_path):
    video = film(tmp_path / "a.avi")
    folder = write_set(tmp_path / "set", ["a"], {"train": [(video, 0, 0, 10)]}, tiers=["one"])
    with pytest.raises(DataError, match="split 'test' would be empty"):
        write_set(folder, ["a"], {"train": [(video, 0, 0, 10)], "test": []})
    assert DataInfo.read(folder).tiers == ("one",) and verify(folder) == []


def test_set_never_replaces_a_folder_with_videos(tmp_path):
    home = tmp_path / "mine"
    for split in ("train", "test"):
        film(home / split / "a" / "0.avi")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="no dataset.json in it"):
        from_folders(home, home)
    (home / "dataset.json").write_text("{}")
    with pytest.raises(DataError, match="holds more than manifests \\(test\\)"):
        write_set(home, ["a"], {"train": [(film(tmp_path / "b.avi"), 0, 0, 10)]})
    (home / "dataset.json").unlink()
    for source, folder in ((home, tmp_path / "link"), (home / "train", home)):
        (tmp_path / "link").exists() or (tmp_path / "link").symlink_to(home)
        with pytest.raises(DataError):
            from_folders(source, folder)
    (tmp_path / "link").unlink()
    (tmp_path / "b.avi").unlink()
    assert sorted(tmp_path.rglob("*")) == before


def test_new_set_cannot_contain_its_videos(tmp_path):
    with pytest.raises(DataError, match="the videos .* are inside it"):
        write_set(tmp_path / "set", ["a"], {"train": [("videos/0.avi", 0, 0, 10)]})
    with pytest.raises(DataError, match="the videos .* are inside it"):
        from_folders(tmp_path / "set" / "videos", tmp_path / "set")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["{path}", "a/b", "..", ".hidden", "", "motionpairs-cpu"])
def test_set_name_must_be_one_word(name, tmp_path):
    for split in ("train", "test"):
        video = film(tmp_path / "videos" / split / "a" / "0.avi")
    with pytest.raises(ConfigError, match="must be one word"):
        prepare(name.format(path=tmp_path / "videos"), root=tmp_path / "sets", source=tmp_path / "videos")
    assert video.exists() and not (tmp_path / "sets").exists()


def test_content_hash_does_not_depend_on_the_folder_of_the_videos(tmp_path):
    def hashed(place, name="0", label=0, frames=10, split="train"):
        folder = write_set(
            tmp_path / "set", ["a", "b"], {split: [(tmp_path / place / f"{name}.avi", label, 0, frames)]}
        )
        return DataInfo.read(folder).extra["content_sha256"]

    here = hashed("here")
    assert len(here) == 64 and hashed("there") == here
    others = {hashed("here", name="1"), hashed("here", label=1), hashed("here", frames=9), hashed("here", split="test")}
    assert len(others | {here}) == 5


def test_kill_while_removing_the_old_set_leaves_the_new_one(tmp_path, monkeypatch):
    folder = write_set(tmp_path / "set", ["a"], {"train": [("/1.avi", 0, 0, 8)]})

    def kill(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", kill)
    with pytest.raises(KeyboardInterrupt):
        write_set(folder, ["a"], {"train": [("/1.avi", 0, 0, 8), ("/2.avi", 0, 0, 8)]})
    assert json.loads((folder / "dataset.json").read_text())["splits"] == {"train": 2}
