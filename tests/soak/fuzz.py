"""Damaged videos, list files and manifests, drawn by Hypothesis: a clean error or a right result, nothing else.

A file that is right is damaged (bytes flipped, cut out, put in, the end cut off, JSON values exchanged) and read. A
video gives VideoError or frames, anything else DataError or entries that can be used. What else happens, a crash of the
process and more than SECONDS included, is a failure, with the seed that makes it happen again.
"""

import json
import multiprocessing
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import numpy as np
import psutil
import torch
from hypothesis import strategies as st

from ctnet.data.manifest import DataInfo, Manifest
from ctnet.data.sets import READERS, grid, lists
from ctnet.data.sets.listing import Clip
from ctnet.data.video import count_frames, read_frames
from ctnet.errors import DataError, VideoError
from tests.soak.reads import videos
from tests.support.layouts import LAYOUTS
from tests.support.prepared import copy_of_grid
from tests.support.videos import scene

EXAMPLES = 100  # of one seed, drawn in a process of their own
SECONDS = 10  # that a file may take
MEMORY = 4 * 2**30  # bytes that a file of some kilobytes may take
MOST = 2000  # frames: a damaged header may promise any number
ENOUGH = 3  # failures of a kind after which it is not tried further
WORDS = (
    "-1",
    "0",
    "9" * 30,
    "9" * 5000,
    "²",
    "é",
    "\0",
    "\n",
    "\r",
    "\x0c",
    "\u2028",
    "\ufeff",
    " ",
    ",",
    ";",
    '"',
    "..",
)
WORDS += ("/etc/passwd", "../x", "nan", "null", "[]", "{}", "[" * 5000, "x" * 200_000)
PIECES = st.sampled_from([word.encode() for word in WORDS]) | st.binary(max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """`whole` with up to six damages; without one it is as it was."""
    found = bytearray(whole)
    for kind in draw(st.lists(st.sampled_from(("flip", "cut", "insert", "end")), max_size=6)):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        if kind == "flip" and found:
            found[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del found[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            found[at:at] = draw(PIECES)
        elif kind == "end":
            del found[at:]
    return bytes(found)


@st.composite
def exchanged(draw, whole: bytes) -> bytes:
    """JSON in which one value is another one."""
    facts = json.loads(whole)
    inner = draw(st.sampled_from([part for part in (facts, *nested(facts)) if part]))
    inner[draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))] = draw(VALUES)
    return json.dumps(facts).encode()


def nested(value: object) -> Iterator[list | dict]:
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, list | dict):
            yield inner
            yield from nested(inner)


@dataclass(frozen=True)
class Target:
    """Files that are right, any one of which is damaged, and what reads them: it raises where the result is wrong."""

    files: tuple[Path, ...]
    read: Callable[[], None]
    error: type[Exception] = DataError

    def cases(self) -> st.SearchStrategy[tuple[Path, bytes]]:
        return st.sampled_from(self.files).flatmap(lambda path: st.tuples(st.just(path), self.damages(path)))

    def damages(self, path: Path) -> st.SearchStrategy[bytes]:
        whole = path.read_bytes()
        return damaged(whole) | exchanged(whole) if path.suffix == ".json" else damaged(whole)

    def check(self, case: tuple[Path, bytes]) -> None:
        path, data = case
        whole = path.read_bytes()
        path.write_bytes(data)
        try:
            self.read()
        except self.error as error:
            assert data != whole, f"a right file gives an error: {error}"
            assert str(path.parent) in str(error), f"an error that names no file: {error}"
            assert "\n" not in str(error), f"an error of several lines: {error}"
        finally:
            path.write_bytes(whole)


def targets(folder: Path) -> dict[str, Target]:
    """Every kind of video and every kind of list that is read here."""
    found = {}
    (folder / "videos").mkdir()
    for path in videos(folder / "videos", scene(12, 32, 48)):
        files = tuple(path.iterdir()) if path.is_dir() else (path,)
        found[path.name] = Target(files, partial(of_video, path), VideoError)
    for name in ("something_v1", "something_v2", "kinetics400", "mini_kinetics", "ucf101", "hmdb51", "grid51"):
        source = folder / name
        source.mkdir()
        LAYOUTS[name](source, [list(scene(40, 16, 16).reshape(5, 8, 16, 16, 3))] * 3)
        texts = sorted(p for p in source.rglob("*") if p.suffix in (".csv", ".json", ".txt", ".align"))
        found[name] = Target(tuple(texts), partial(of_layout, source, None if name in grid.SUBSETS else READERS[name]))
    table = copy_of_grid(folder / "packed") / "words.csv"
    found["words.csv"] = Target((table,), lambda: usable(*grid.packed(table.parent), table.parent))
    home = folder / "lists"
    home.mkdir()
    rows = [("a/b c.avi", 30, 0), ("a/d.webm", 8, 1), ("e", 100, 2)]
    for name in ("train", "val"):
        (home / f"{name}.txt").write_text("".join(f"{name}/{path} {frames} {label}\n" for path, frames, label in rows))
    (home / "category.txt").write_text("one\ntwo\nthree\n")
    found["path frames label"] = Target(tuple(sorted(home.iterdir())), partial(of_lists, home))
    home = folder / "set"
    home.mkdir()
    (home / "train.csv").write_text("path,label,start,frames\na.avi,0,0,8\nb/c d.mp4,1,5,16\n/e/f,2,0,1\n")
    info = {"name": "set", "version": 1, "scale": None, "classes": ["a", "b", "c"], "tiers": ["x", "y", "x"]}
    info |= {"reverse": [1, 0, None], "flip": [0, 1, 2], "splits": {"train": 3}, "content_sha256": "0"}
    (home / "dataset.json").write_text(json.dumps(info))
    found["manifest"] = Target(tuple(sorted(home.iterdir())), partial(of_set, home))
    return found


def of_video(path: Path) -> None:
    count = count_frames(path)
    assert count > 0, "a video of no frames"
    indices = sorted({0, min(count, MOST) // 2, min(count, MOST) - 1})
    frames = read_frames(path, indices)
    assert frames.dtype == torch.uint8 and len(frames) == len(indices) and frames.shape[3:] == (3,), frames.shape


def of_layout(source: Path, read: Callable | None) -> None:
    if read is None:
        usable(*grid.corpus(source), source)
    else:
        listing = read(source)
        usable(listing.classes, [clip for clips in listing.clips.values() for clip in clips], source)


def of_lists(source: Path) -> None:
    listing = lists.from_lists(source, [source / "train.txt", source / "val.txt"])
    usable(listing.classes, [clip for clips in listing.clips.values() for clip in clips], source)


def usable(classes: list[str], clips: list, source: Path) -> None:
    for clip in clips:
        assert Path(os.path.normpath(clip.video)).is_relative_to(source), f"{clip.video} is not in {source}"
        if isinstance(clip, Clip):
            assert 0 <= clip.label < len(classes), f"label {clip.label} of {len(classes)} classes"
            assert clip.frames is None or clip.frames >= 0, f"{clip.frames} frames"
        else:
            assert clip.word in classes and 0 <= clip.start and Path(clip.cut).name == clip.cut, clip


def of_set(home: Path) -> None:
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


def hunt(target: Target, seed: int, examples: int, before: Callable[[object], None] = lambda _: None) -> str | None:
    """What goes wrong first in so many cases that follow from the seed."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(target.cases())
    def every(case):
        before(case)
        target.check(case)

    try:
        every()
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return None


def apart(target: Target, seed: int, examples: int, last: Path) -> tuple[int, str | None]:
    """`hunt` in a process of its own, which a crash, a hang or a hoard of memory ends; the cases it came to."""
    fork = multiprocessing.get_context("fork")
    ran, (receive, send) = fork.Value("i", 0), fork.Pipe(duplex=False)

    def before(case) -> None:
        signal.alarm(SECONDS)
        ran.value += 1
        last.write_text(f"{case[0].name} {case[1][:300]}")

    def work() -> None:
        torch.set_num_threads(1)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        limit = psutil.Process().memory_info().vms + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        send.send(hunt(target, seed, examples, before))

    whole = {path: path.read_bytes() for path in target.files}
    process = fork.Process(target=work)
    process.start()
    process.join()
    for path, data in whole.items():  # a killed process leaves its last case
        path.write_bytes(data)
    if process.exitcode == 0:
        return ran.value, receive.recv()
    name = signal.Signals(-process.exitcode).name if process.exitcode < 0 else f"status {process.exitcode}"
    why = f"more than {SECONDS} s" if name == "SIGALRM" else f"the process ended with {name}"
    return ran.value, f"{why}: {last.read_text()}"


def fuzz(minutes: float, seed: int) -> dict:
    """Cases of every kind in turns, with seeds from `seed` up, until the time is over."""
    until, cases, failures, failed = time.monotonic() + 60 * minutes, Counter(), [], Counter()
    with TemporaryDirectory() as folder:
        made = targets(Path(folder))
        last = Path(folder, "last")
        while made and time.monotonic() < until:
            for name, target in list(made.items()):
                ran, wrong = apart(target, seed, EXAMPLES, last)
                cases[name] += ran
                if wrong:
                    failures.append(f"{name}, seed {seed}: {wrong}")
                    failed[name] += 1
                if failed[name] == ENOUGH:
                    del made[name]
                if time.monotonic() > until:
                    break
            seed += 1
    return {"cases": cases.total(), "kinds": dict(cases), "failures": failures}
