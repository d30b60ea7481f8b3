import csv

import numpy as np
import pytest

from ctnet.data.datasets import DataInfo, Manifest, VideoDataset
from ctnet.data.own import from_folders, write_set
from ctnet.data.prepare import locate, verify
from ctnet.data.video import write_video
from ctnet.errors import DataError


def film(path, frames=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.stack([np.full((16, 16, 3), 8 * t, np.uint8) for t in range(frames)]))
    return path


def rows(folder, split):
    with (folder / f"{split}.csv").open() as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def test_folders_of_classes_make_a_set(tmp_path):
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
    assert DataInfo.read(folder).splits == {"train": 6, "val": 4}
    assert all("/val/" in path for path, *_ in rows(folder, "val"))


def test_broken_videos_are_listed_and_no_set_is_left(tmp_path):
    film(tmp_path / "videos" / "a" / "good.avi")
    bad = tmp_path / "videos" / "a" / "bad.avi"
    bad.write_bytes(b"text")
    with pytest.raises(DataError, match=f"1 videos cannot be read; .*{bad}"):
        from_folders(tmp_path / "videos", tmp_path / "mine")
    with pytest.raises(DataError, match="no folders of videos"):
        from_folders(tmp_path / "videos" / "a", tmp_path / "mine")
    assert not (tmp_path / "mine").exists() and not list(tmp_path.glob(".mine*"))


def test_an_empty_split_is_refused_and_the_old_set_kept(tmp_path):
    video = film(tmp_path / "a.avi")
    folder = write_set(tmp_path / "set", ["a"], {"train": [(video, 0, 0, 10)]}, tiers=["one"])
    with pytest.raises(DataError, match="split 'test' would be empty"):
        write_set(folder, ["a"], {"train": [(video, 0, 0, 10)], "test": []})
    assert DataInfo.read(folder).tiers == ("one",) and verify(folder) == []
