"""GRID words from a small packed copy: two sentences of video, word by word."""

import csv
import shutil
from threading import Event, Thread

import numpy as np
import pytest
from filelock import FileLock

from ctnet.data.dataset import VideoDataset
from ctnet.data.manifest import DataInfo
from ctnet.data.prepare import prepare
from ctnet.data.sets import grid_cuts
from ctnet.data.video import read_frames, write_video
from ctnet.errors import DataError

WORDS = {"train": ("bin", "zero"), "val": ("bin", "zero")}


@pytest.fixture
def source(tmp_path):
    """A packed copy with one sentence of two words in each split."""
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


def test_words_are_cut_with_a_margin_and_keep_their_split(source, tmp_path):
    folder = prepare("grid51", source=source, root=tmp_path / "sets")
    info = DataInfo.read(folder)
    assert info.classes == ("bin", "zero") and info.splits == {"train": 2, "test": 2}
    test = VideoDataset(folder, "test", 4, 16, train=False)
    assert test.manifest.frames.tolist() == [8, 9]  # frames 0-7 (no margin before frame 0) and 9-17
    cut = read_frames(test.manifest.path(1), range(9)).int()
    whole = read_frames(source / "videos" / "val.mp4", range(9, 18)).int()
    assert (cut - whole).abs().float().mean() < 3  # visually lossless


@pytest.mark.parametrize("workers", [1, 4])
def test_repeated_word_counts_once_and_is_reported(source, tmp_path, workers):
    table = source / "words.csv"
    lines = table.read_text().splitlines()
    again = lines[1].replace(",train,", ",val,")
    table.write_text("\n".join([*lines, lines[1], again]) + "\n")
    folder = prepare("grid51", source=source, root=tmp_path / "sets", workers=workers)
    assert DataInfo.read(folder).splits == {"train": 2, "test": 2}
    report = (folder / "report.txt").read_text()
    assert report.count("listed twice") == 2 and "train-0-8.avi" in report


def test_subset_holds_only_its_words_and_second_call_cuts_nothing(source, tmp_path):
    folder = prepare("grid10", source=source, root=tmp_path / "sets")
    assert DataInfo.read(folder).classes == ("zero",)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "sets" / "grid-cuts").iterdir()}
    prepare("grid10", source=source, root=tmp_path / "sets")
    assert made == {path: path.stat().st_mtime_ns for path in made}


def test_words_cut_from_another_source_are_not_used(source, tmp_path):
    prepare("grid10", source=source, root=tmp_path / "sets")
    shutil.copytree(source, tmp_path / "other")
    with pytest.raises(DataError, match=f"grid-cuts: holds words cut out of {source}; set CTNET_DATA"):
        prepare("grid51", source=tmp_path / "other", root=tmp_path / "sets")
    assert not (tmp_path / "sets" / "grid51").exists()


def test_call_waits_while_another_call_cuts_words(source, tmp_path, monkeypatch):
    """While the test holds the lock of grid-cuts, a call reaches that lock and writes no word until it is released."""
    root = tmp_path / "sets"
    root.mkdir()
    arrived, released, early = Event(), Event(), []
    acquire, write = FileLock.acquire, grid_cuts.write_video

    def acquire_and_tell(lock, *args, **options):
        if lock.lock_file.endswith(".grid-cuts.lock"):
            arrived.set()
        return acquire(lock, *args, **options)

    def write_and_check(*args):
        if not released.is_set():
            early.append(args)
        return write(*args)

    def second_call():
        try:
            prepare("grid10", source=source, root=root)
        finally:
            arrived.set()

    thread = Thread(target=second_call)
    with FileLock(root / ".grid-cuts.lock"):
        monkeypatch.setattr(FileLock, "acquire", acquire_and_tell)
        monkeypatch.setattr(grid_cuts, "write_video", write_and_check)
        thread.start()
        arrived.wait()
        released.set()
    thread.join()
    assert not early and (root / "grid10" / "dataset.json").exists()


def test_folder_that_is_not_grid_gives_clear_error(tmp_path):
    with pytest.raises(DataError, match="words.csv"):
        prepare("grid16", source=tmp_path)


@pytest.mark.parametrize(
    "old, new, message",
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
def test_error_in_words_csv_names_line_and_column(old, new, message, source, tmp_path):
    table = source / "words.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=f"words.csv: {message}"):
        prepare("grid51", source=source, root=tmp_path / "sets")
    assert not (tmp_path / "sets").exists()


def test_source_folder_is_not_replaced_by_its_set(source, tmp_path):
    (source / "dataset.json").write_text("{}")
    source = source.rename(tmp_path / "grid51")
    with pytest.raises(DataError, match="holds more than manifests"):
        prepare("grid51", source=source, root=tmp_path)
    assert len(list((source / "videos").iterdir())) == 2 and not (tmp_path / "grid-cuts").exists()
