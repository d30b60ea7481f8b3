"""What is damaged and who reads it: videos, list files of published sets, and manifests.

A damaged video must give VideoError or frames; any other damaged file must give DataError or usable entries.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st

from ctnet.data.manifest import DataInfo, Manifest
from ctnet.data.sets import READERS, grid, lists
from ctnet.data.sets.listing import Clip
from ctnet.data.video import count_frames, read_frames
from ctnet.errors import DataError, VideoError
from tests.soak.damage import damaged_bytes, damaged_json
from tests.soak.reads import write_videos
from tests.support.layouts import LAYOUTS
from tests.support.prepared import copy_of_grid
from tests.support.videos import scene

MAX_FRAMES = 2000  # frames within which a damaged video is read; its header may promise any number


@dataclass(frozen=True)
class Target:
    """Intact files, and the function that reads them; `check` damages one file at a time.

    Attributes:
        files: The files.
        read: Reads all of them; raises another error than `error` if its result is unusable.
        error: The error that a damaged file may give.
    """

    files: tuple[Path, ...]
    read: Callable[[], None]
    error: type[Exception] = DataError

    def cases(self) -> st.SearchStrategy[tuple[Path, bytes]]:
        """Return the strategy of cases: a file and the bytes that replace its content."""
        return st.sampled_from(self.files).flatmap(lambda path: st.tuples(st.just(path), self._damages(path)))

    def _damages(self, path: Path) -> st.SearchStrategy[bytes]:
        whole = path.read_bytes()
        return damaged_bytes(whole) | damaged_json(whole) if path.suffix == ".json" else damaged_bytes(whole)

    def check(self, case: tuple[Path, bytes]) -> None:
        """Damage a file, read the target and restore the file.

        Args:
            case: The file and its damaged content.

        Raises:
            AssertionError: An intact file gives an error, or an error is not one line that names the folder.
            Exception: Any error of reading other than `error`.
        """
        path, data = case
        whole = path.read_bytes()
        path.write_bytes(data)
        try:
            self.read()
        except self.error as error:
            assert data != whole, f"an intact file gives an error: {error}"
            assert str(path.parent) in str(error), f"an error without the file's place: {error}"
            assert "\n" not in str(error), f"an error of several lines: {error}"
        finally:
            path.write_bytes(whole)


def make_targets(folder: Path) -> dict[str, Target]:
    """Make one target for each kind of video, list file and manifest.

    Args:
        folder: An empty folder.

    Returns:
        The targets by kind.
    """
    found = {}
    (folder / "videos").mkdir()
    for path in write_videos(folder / "videos", scene(12, 32, 48)):
        files = tuple(path.iterdir()) if path.is_dir() else (path,)
        found[path.name] = Target(files, partial(read_video, path), VideoError)
    for name in ("something_v1", "something_v2", "kinetics400", "mini_kinetics", "ucf101", "hmdb51", "grid51"):
        source = folder / name
        source.mkdir()
        LAYOUTS[name](source, [list(scene(40, 16, 16).reshape(5, 8, 16, 16, 3))] * 3)
        texts = sorted(p for p in source.rglob("*") if p.suffix in (".csv", ".json", ".txt", ".align"))
        reader = None if name in grid.SUBSETS else READERS[name]
        found[name] = Target(tuple(texts), partial(read_layout, source, reader))
    table = copy_of_grid(folder / "packed") / "words.csv"
    found["words.csv"] = Target((table,), lambda: check_clips(*grid.packed(table.parent), table.parent))
    home = folder / "lists"
    home.mkdir()
    rows = [("a/b c.avi", 30, 0), ("a/d.webm", 8, 1), ("e", 100, 2)]
    for name in ("train", "val"):
        (home / f"{name}.txt").write_text("".join(f"{name}/{path} {frames} {label}\n" for path, frames, label in rows))
    (home / "category.txt").write_text("one\ntwo\nthree\n")
    found["path frames label"] = Target(tuple(sorted(home.iterdir())), partial(read_lists, home))
    home = folder / "set"
    home.mkdir()
    (home / "train.csv").write_text("path,label,start,frames\na.avi,0,0,8\nb/c d.mp4,1,5,16\n/e/f,2,0,1\n")
    info = {"name": "set", "version": 1, "scale": None, "classes": ["a", "b", "c"], "tiers": ["x", "y", "x"]}
    info |= {"reverse": [1, 0, None], "flip": [0, 1, 2], "splits": {"train": 3}, "content_sha256": "0"}
    (home / "dataset.json").write_text(json.dumps(info))
    found["manifest"] = Target(tuple(sorted(home.iterdir())), partial(read_manifest, home))
    return found


def read_video(path: Path) -> None:
    """Read the first, middle and last frame and check their form."""
    count = count_frames(path)
    assert count > 0, "a video without frames"
    indices = sorted({0, min(count, MAX_FRAMES) // 2, min(count, MAX_FRAMES) - 1})
    frames = read_frames(path, indices)
    assert frames.dtype == torch.uint8 and len(frames) == len(indices) and frames.shape[3:] == (3,), frames.shape


def read_layout(source: Path, read: Callable | None) -> None:
    """List the clips of a published set with its reader, or of GRID's corpus without one."""
    if read is None:
        check_clips(*grid.corpus(source), source)
    else:
        listing = read(source)
        check_clips(listing.classes, [clip for clips in listing.clips.values() for clip in clips], source)


def read_lists(source: Path) -> None:
    """List the clips that files of `path frames label` lines name."""
    listing = lists.from_lists(source, [source / "train.txt", source / "val.txt"])
    check_clips(listing.classes, [clip for clips in listing.clips.values() for clip in clips], source)


def check_clips(classes: list[str], clips: list, source: Path) -> None:
    """Check that each clip lies in `source` and has a known label and a possible place in its video."""
    for clip in clips:
        assert Path(os.path.normpath(clip.video)).is_relative_to(source), f"{clip.video} is not in {source}"
        if isinstance(clip, Clip):
            assert 0 <= clip.label < len(classes), f"label {clip.label} of {len(classes)} classes"
            assert clip.frames is None or clip.frames >= 0, f"{clip.frames} frames"
        else:
            assert clip.word in classes and 0 <= clip.start and Path(clip.cut).name == clip.cut, clip


def read_manifest(home: Path) -> None:
    """Read a prepared set and check its columns; its videos may be missing."""
    info = DataInfo.read(home)
    assert all(isinstance(name, str) for name in info.classes) and len(set(info.classes)) == len(info.classes)
    assert all(isinstance(count, int) for count in info.splits.values())
    for labels in (info.reverse, info.flip):
        assert all(k is None or 0 <= k < len(info.classes) for k in labels or ())
    found = Manifest.read(home, "train", info)
    columns = (found.labels, found.starts, found.frames)
    assert all(c.dtype == np.int64 and len(c) == len(found) for c in columns)
    assert found.labels.min() >= 0 and found.labels.max() < len(info.classes)
    assert found.starts.min() >= 0 and found.frames.min() >= 1
    for index in range(len(found)):
        try:
            read_frames(found.path(index), [0])
        except VideoError:
            continue
