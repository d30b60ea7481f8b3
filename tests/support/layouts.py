"""Sets in miniature, exactly as their owners lay them out, of clips that MotionPairs draws.

`LAYOUTS[name](folder, clips)` writes one below `folder`; clips: {class: [frames, ...]}, of each class the first three
train and the last two test. A class's name says what moves, in the spelling of the set.
"""

import csv
import json
from pathlib import Path

import av
import numpy as np

from ctnet.data.video import write_video

CODECS = {".webm": "libvpx", ".mp4": "libx264", ".mpg": "mpeg1video"}
TRAIN = 3
CLASSES = {
    "something": ("Pushing something from left to right", "Pushing something from right to left", "Opening something"),
    "kinetics": ("abseiling", "tai chi", "zumba"),
    "ucf101": ("ApplyEyeMakeup", "HandstandPushups", "Shotput"),
    "hmdb51": ("brush_hair", "cartwheel", "wave"),
}


def film(path: Path, frames: np.ndarray) -> Path:
    """Writes a video in the codec that sets with such files have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".avi":
        write_video(path, frames)
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def images(folder: Path, frames: np.ndarray, name: str = "{:05d}.jpg") -> Path:
    """A folder of frames, counted from 1."""
    folder.mkdir(parents=True)
    for k, frame in enumerate(frames, 1):
        with av.open(str(folder / name.format(k)), "w", format="image2", options={"update": "1"}) as picture:
            stream = picture.add_stream("mjpeg", rate=1)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuvj420p"
            picture.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            picture.mux(stream.encode())
    return folder


def sides(clips: list) -> list[tuple[str, object]]:
    return [("train" if k < TRAIN else "test", frames) for k, frames in enumerate(clips)]


def write_rows(path: Path, rows, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)


def named(kind: str, clips: list[list[np.ndarray]]):
    """(number, class, side, frames) of each clip, the classes' names in the spelling of the set."""
    rows = [(name, side, f) for name, some in zip(CLASSES[kind], clips, strict=True) for side, f in sides(some)]
    return [(1000 + k, *row) for k, row in enumerate(rows)]


def something_v1(folder: Path, clips) -> None:
    rows = {"train": [], "validation": [], "test": []}
    for number, name, side, frames in named("something", clips):
        images(folder / "20bn-something-something-v1" / str(number), frames)
        rows["train" if side == "train" else "validation"].append((number, name))
    write_rows(folder / "something-something-v1-labels.csv", [(name,) for name in reversed(CLASSES["something"])])
    for split in ("train", "validation"):
        write_rows(folder / f"something-something-v1-{split}.csv", rows[split], ";")


def something_v2(folder: Path, clips) -> None:
    entries = {"train": [], "validation": []}
    for number, name, side, frames in named("something", clips):
        film(folder / "20bn-something-something-v2" / f"{number}.webm", frames)
        template = name.replace("something", "[something]")
        entry = {"id": str(number), "label": name.replace("something", "a cup"), "template": template}
        entries["train" if side == "train" else "validation"].append(entry | {"placeholders": ["a cup"]})
    (folder / "labels").mkdir()
    for split, rows in entries.items():
        (folder / "labels" / f"{split}.json").write_text(json.dumps(rows, indent=1))
    numbered = {name: str(k) for k, name in enumerate(sorted(CLASSES["something"]))}
    (folder / "labels" / "labels.json").write_text(json.dumps(numbered))


def kinetics400(folder: Path, clips, flat: bool = False) -> None:
    rows = {"train": [], "val": []}
    for number, name, side, frames in named("kinetics", clips):
        split = "train" if side == "train" else "val"
        home = folder / split if flat else folder / split / name.replace(" ", "_")
        film(home / f"-_id{number}_000007_000017.mp4", frames)
        rows[split].append((name, f"-_id{number}", 7, 17, split, 0))
    for split in rows:
        header = ("label", "youtube_id", "time_start", "time_end", "split", "is_cc")
        write_rows(folder / "annotations" / f"{split}.csv", [header, *rows[split]])


def mini_kinetics(folder: Path, clips) -> None:
    kinetics400(folder, clips, flat=True)
    for split in ("train", "val"):
        with (folder / "annotations" / f"{split}.csv").open() as file:
            ids = [row["youtube_id"] for row in csv.DictReader(file) if row["label"] != "tai chi"]
        (folder / f"{split}_ytid_list.txt").write_text("\n".join(ids) + "\n")


def ucf101(folder: Path, clips) -> None:
    lists = folder / "ucfTrainTestlist"
    lists.mkdir()
    classes = CLASSES["ucf101"]
    (lists / "classInd.txt").write_text("".join(f"{k} {name}\r\n" for k, name in enumerate(classes, 1)))
    names = {"train": [], "test": []}
    for number, name, side, frames in named("ucf101", clips):
        video = f"{name}/v_{name}_g{number % 25:02d}_c01.avi"
        film(folder / "UCF-101" / video, frames)
        names[side].append(video + (f" {classes.index(name) + 1}" if side == "train" else ""))
    for split in (1, 2, 3):
        for side, rows in names.items():
            (lists / f"{side}list0{split}.txt").write_text("\n".join(rows) + "\n")


def hmdb51(folder: Path, clips) -> None:
    lists = folder / "testTrainMulti_7030_splits"
    lists.mkdir()
    rows: dict[str, list[str]] = {}
    for number, name, side, frames in named("hmdb51", clips):
        video = f"Film_(b)_{name}_{number}.avi"
        film(folder / name / video, frames)
        rows.setdefault(name, []).append(f"{video} {1 if side == 'train' else 2} ")
        rows[name].append(f"absent_{number}.avi 0 ")
    for name, lines in rows.items():
        for split in (1, 2, 3):
            (lists / f"{name}_test_split{split}.txt").write_text("\n".join(lines) + "\n")


def grid(folder: Path, clips) -> None:
    """Two sentences of the corpus, 12 frames a word; of these two names one trains and one tests."""
    flat = [frames for some in clips for frames in some]
    for talker, sentence, words in (
        ("s1", "bbaf2n", "bin blue at f two now"),
        ("s1", "bbaf5a", "bin blue at f two now"),
        ("s2", "bbaf2n", "lay red at f four now"),
        ("s2", "bbaf5a", "lay red at f four now"),
    ):
        film(folder / talker / f"{sentence}.mpg", np.concatenate(flat[:6]))
        size = len(flat[0])
        end = 6 * size * 1000
        lines = [f"{k * size * 1000} {(k + 1) * size * 1000} {word}" for k, word in enumerate(words.split())]
        (folder / "align" / talker).mkdir(parents=True, exist_ok=True)
        lines.append(f"{end} {end + 900} sil")
        (folder / "align" / talker / f"{sentence}.align").write_text("\n".join(lines) + "\n")


def mine(folder: Path, clips) -> None:
    for number, name, side, frames in named("hmdb51", clips):
        film(folder / side / name / f"{number}.mp4", frames)


LAYOUTS = {
    "something_v1": something_v1,
    "something_v2": something_v2,
    "kinetics400": kinetics400,
    "mini_kinetics": mini_kinetics,
    "ucf101": ucf101,
    "ucf101_2": ucf101,
    "ucf101_3": ucf101,
    "hmdb51": hmdb51,
    "hmdb51_2": hmdb51,
    "hmdb51_3": hmdb51,
    "grid16": grid,
    "grid10": grid,
    "grid51": grid,
    "mine": mine,
}
