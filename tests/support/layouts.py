"""Small data sets in the layouts of the published sets, with clips that MotionPairs draws.

`LAYOUTS[name](folder, clips)` writes one into `folder`. `clips` holds five videos for each of three classes: the first
three are for training, the last two for testing. Class names are spelled as in the published set.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import av
import numpy as np

from ctnet.data.video import write_video

Clips = list[list[np.ndarray]]  # the videos of each class: (T, H, W, 3), uint8
CODECS = {".webm": "libvpx", ".mp4": "libx264", ".mpg": "mpeg1video"}
TRAIN = 3  # training videos per class
CLASSES = {
    "something": ("Pushing something from left to right", "Pushing something from right to left", "Opening something"),
    "kinetics": ("abseiling", "tai chi", "zumba"),
    "ucf101": ("ApplyEyeMakeup", "HandstandPushups", "Shotput"),
    "hmdb51": ("brush_hair", "cartwheel", "wave"),
}


def film(path: Path, frames: np.ndarray) -> Path:
    """Write a video in the codec that is usual for its file ending."""
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
    """Write a folder of images, numbered from 1."""
    folder.mkdir(parents=True)
    for k, frame in enumerate(frames, 1):
        with av.open(str(folder / name.format(k)), "w", format="image2", options={"update": "1"}) as picture:
            stream = picture.add_stream("mjpeg", rate=1)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuvj420p"
            picture.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            picture.mux(stream.encode())
    return folder


def write_rows(path: Path, rows: Iterable[tuple], delimiter: str = ",") -> None:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)


def numbered(kind: str, clips: Clips, test: str = "test") -> Iterator[tuple[int, str, str, np.ndarray]]:
    """Yield (number from 1000 up, class, `train` or the owners' word for the test split, frames) of each video."""
    number = count(1000)
    for name, videos in zip(CLASSES[kind], clips, strict=True):
        for k, frames in enumerate(videos):
            yield next(number), name, "train" if k < TRAIN else test, frames


def something_v1(folder: Path, clips: Clips) -> None:
    rows = {"train": [], "validation": []}
    for number, name, split, frames in numbered("something", clips, "validation"):
        images(folder / "20bn-something-something-v1" / str(number), frames)
        rows[split].append((number, name))
    write_rows(folder / "something-something-v1-labels.csv", [(name,) for name in reversed(CLASSES["something"])])
    for split, lines in rows.items():
        write_rows(folder / f"something-something-v1-{split}.csv", lines, ";")


def something_v2(folder: Path, clips: Clips) -> None:
    entries = {"train": [], "validation": []}
    for number, name, split, frames in numbered("something", clips, "validation"):
        film(folder / "20bn-something-something-v2" / f"{number}.webm", frames)
        template = name.replace("something", "[something]")
        entry = {"id": str(number), "label": name.replace("something", "a cup"), "template": template}
        entries[split].append(entry | {"placeholders": ["a cup"]})
    (folder / "labels").mkdir()
    for split, rows in entries.items():
        (folder / "labels" / f"{split}.json").write_text(json.dumps(rows, indent=1))
    labels = {name: str(k) for k, name in enumerate(sorted(CLASSES["something"]))}
    (folder / "labels" / "labels.json").write_text(json.dumps(labels))


def kinetics400(folder: Path, clips: Clips, flat: bool = False) -> None:
    rows = {"train": [], "val": []}
    for number, name, split, frames in numbered("kinetics", clips, "val"):
        home = folder / split if flat else folder / split / name.replace(" ", "_")
        film(home / f"-_id{number}_000007_000017.mp4", frames)
        rows[split].append((name, f"-_id{number}", 7, 17, split, 0))
    for split in rows:
        header = ("label", "youtube_id", "time_start", "time_end", "split", "is_cc")
        write_rows(folder / "annotations" / f"{split}.csv", [header, *rows[split]])


def mini_kinetics(folder: Path, clips: Clips) -> None:
    kinetics400(folder, clips, flat=True)
    for split in ("train", "val"):
        with (folder / "annotations" / f"{split}.csv").open() as file:
            ids = [row["youtube_id"] for row in csv.DictReader(file) if row["label"] != "tai chi"]
        (folder / f"{split}_ytid_list.txt").write_text("\n".join(ids) + "\n")


def ucf101(folder: Path, clips: Clips) -> None:
    lists = folder / "ucfTrainTestlist"
    lists.mkdir()
    classes = CLASSES["ucf101"]
    (lists / "classInd.txt").write_text("".join(f"{k} {name}\r\n" for k, name in enumerate(classes, 1)))
    names = {"train": [], "test": []}
    for number, name, split, frames in numbered("ucf101", clips):
        video = f"{name}/v_{name}_g{number % 25:02d}_c01.avi"
        film(folder / "UCF-101" / video, frames)
        names[split].append(video + (f" {classes.index(name) + 1}" if split == "train" else ""))
    for number in (1, 2, 3):
        for split, rows in names.items():
            (lists / f"{split}list0{number}.txt").write_text("\n".join(rows) + "\n")


def hmdb51(folder: Path, clips: Clips) -> None:
    lists = folder / "testTrainMulti_7030_splits"
    lists.mkdir()
    rows: dict[str, list[str]] = {}
    for number, name, split, frames in numbered("hmdb51", clips):
        video = f"Film_(b)_{name}_{number}.avi"
        film(folder / name / video, frames)
        rows.setdefault(name, []).append(f"{video} {1 if split == 'train' else 2} ")
        rows[name].append(f"absent_{number}.avi 0 ")
    for name, lines in rows.items():
        for number in (1, 2, 3):
            (lists / f"{name}_test_split{number}.txt").write_text("\n".join(lines) + "\n")


def grid(folder: Path, clips: Clips) -> None:
    """Write two sentences for each of two talkers; their names put one in each split."""
    videos = [frames for some in clips for frames in some]
    size = len(videos[0])
    end = 6 * size * 1000
    for talker, sentence, words in (
        ("s1", "bbaf2n", "bin blue at f two now"),
        ("s1", "bbaf5a", "bin blue at f two now"),
        ("s2", "bbaf2n", "lay red at f four now"),
        ("s2", "bbaf5a", "lay red at f four now"),
    ):
        film(folder / talker / f"{sentence}.mpg", np.concatenate(videos[:6]))
        lines = [f"{k * size * 1000} {(k + 1) * size * 1000} {word}" for k, word in enumerate(words.split())]
        lines.append(f"{end} {end + 900} sil")
        (folder / "align" / talker).mkdir(parents=True, exist_ok=True)
        (folder / "align" / talker / f"{sentence}.align").write_text("\n".join(lines) + "\n")


def mine(folder: Path, clips: Clips) -> None:
    for number, name, split, frames in numbered("hmdb51", clips):
        film(folder / split / name / f"{number}.mp4", frames)


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
