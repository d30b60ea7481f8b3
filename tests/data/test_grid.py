"""GRID words from a copy in miniature: two sentences of video, word by word."""

import csv
import shutil
from threading import Thread

import numpy as np
import pytest
from filelock import FileLock

from ctnet.data.dataset import VideoDataset
from ctnet.data.manifest import DataInfo
from ctnet.data.prepare import prepare
from ctnet.data.video import read_frames, write_video
from ctnet.errors import DataError

WORDS = {"train": ("bin", "zero"), "val": ("bin", "zero")}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "videos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (folder / "words.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video", "split", "slot", "word", "label", "start_frame", "end_frame", "video_frames"])
        for split, words in WORDS.items():
            write_video(folder / "videos" / f"{split}.mp4.avi", rng.integers(0, 255, (20, 16, 16, 3)).astype(np.uint8))
            (folder / "videos" / f"{split}.mp4.avi").rename(folder / "videos" / f"{split}.mp4")
            for slot, word in enumerate(words):
                table.writerow([split, split, slot, word, slot, 10 * slot + 1, 10 * slot + 6, 20])
    return folder


def test_words_are_cut_out_with_a_margin_and_keep_their_side(source, tmp_path):
    folder = prepare("grid51", source=source, root=tmp_path / "sets")
    info = DataInfo.read(folder)
    assert info.classes == ("bin", "zero") and info.splits == {"train": 2, "test": 2}
    test = VideoDataset(folder, "test", 4, 16, train=False)
    assert test.manifest.frames.tolist() == [8, 9]  # frames 0-7 (cut at the start) and 9-17
    cut = read_frames(test.manifest.path(1), range(9)).int()
    whole = read_frames(source / "videos" / "val.mp4", range(9, 18)).int()
    assert (cut - whole).abs().float().mean() < 3  # visually lossless


@pytest.mark.parametrize("workers", [1, 4])
def test_a_word_that_is_listed_again_counts_once_and_is_told(source, tmp_path, workers):
    table = source / "words.csv"
    lines = table.read_text().splitlines()
    again = lines[1].replace(",train,", ",val,")
    table.write_text("\n".join([*lines, lines[1], again]) + "\n")
    folder = prepare("grid51", source=source, root=tmp_path / "sets", workers=workers)
    assert DataInfo.read(folder).splits == {"train": 2, "test": 2}
    told = (folder / "report.txt").read_text()
    assert told.count("listed twice") == 2 and "train-0-8.avi" in told


def test_a_subset_holds_its_words_only_and_a_second_call_cuts_nothing(source, tmp_path):
    folder = prepare("grid10", source=source, root=tmp_path / "sets")
    assert DataInfo.read(folder).classes == ("zero",)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "sets" / "grid-cuts").iterdir()}
    prepare("grid10", source=source, root=tmp_path / "sets")
    assert made == {path: path.stat().st_mtime_ns for path in made}


def test_words_of_one_source_are_not_taken_for_those_of_another(source, tmp_path):
    prepare("grid10", source=source, root=tmp_path / "sets")
    shutil.copytree(source, tmp_path / "other")
    with pytest.raises(DataError, match=f"grid-cuts: holds words cut out of {source}; set CTNET_DATA"):
        prepare("grid51", source=tmp_path / "other", root=tmp_path / "sets")
    assert not (tmp_path / "sets" / "grid51").exists()


def test_two_sets_are_not_cut_at_once(source, tmp_path):
    root = tmp_path / "sets"
    root.mkdir()
    second = Thread(target=prepare, args=("grid10",), kwargs={"source": source, "root": root})
    with FileLock(root / ".grid-cuts.lock"):
        second.start()
        second.join(3)
        assert second.is_alive() and not list(root.glob("grid-cuts/*.avi"))
    second.join()
    assert (root / "grid10" / "dataset.json").exists()


def test_a_folder_that_is_no_copy_of_grid_is_named(tmp_path):
    with pytest.raises(DataError, match="words.csv"):
        prepare("grid16", source=tmp_path)


@pytest.mark.parametrize(
    "old, new, told",
    [
        (",label,", ",number,", "line 1 lacks the column label"),
        (
            "train,train,1,zero,1,11",
            "train,train,1,zero,one,11",
            "line 3: label must be a whole number from 0 up, not 'one'",
        ),
        ("val,val,0,bin,0,1,6,20", "val,val,0,bin,0,1,6", "line 4: the column video_frames is empty"),
        ("val,val,0,bin,0,1,6,20", "val,val,0,bin,0,1.5,6,20", "line 4: start_frame must be a whole number"),
        ("val,val,0,bin", "../val,val,0,bin", "line 4: '../val.mp4' is not a path inside"),
        ("val,val,0,bin", "a/val,val,0,bin", "line 4: 'a/val' must name a file in"),
    ],
)
def test_a_broken_table_is_told_with_line_and_column(old, new, told, source, tmp_path):
    table = source / "words.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=f"words.csv: {told}"):
        prepare("grid51", source=source, root=tmp_path / "sets")
    assert not (tmp_path / "sets").exists()


def test_the_copy_is_not_replaced_by_the_set_made_of_it(source, tmp_path):
    (source / "dataset.json").write_text("{}")
    source = source.rename(tmp_path / "grid51")
    with pytest.raises(DataError, match="holds more than manifests"):
        prepare("grid51", source=source, root=tmp_path)
    assert len(list((source / "videos").iterdir())) == 2 and not (tmp_path / "grid-cuts").exists()
