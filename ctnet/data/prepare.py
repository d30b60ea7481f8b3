"""Make a data set and check it: what `python -m ctnet data prepare` and `data verify` do."""

import os
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from pathlib import Path

from ctnet import console
from ctnet.data import sets
from ctnet.data.home import DRAWN, home
from ctnet.data.manifest import DataInfo, Manifest, manifest_path
from ctnet.data.motionpairs import draw
from ctnet.data.motionpairs.draw import DRAWN_SIZES, DrawnSize
from ctnet.data.sets.folders import folders
from ctnet.data.sets.make import make, source_of
from ctnet.data.video import read_frames
from ctnet.data.writing import replaceable
from ctnet.errors import ConfigError, CtnetError, DataError, unknown

__all__ = ["DRAWN_SIZES", "DrawnSize", "from_folders", "repair_advice", "prepare", "verify"]
BLOCK = 32  # frames that `verify` holds in memory per thread


def prepare(
    name: str = DRAWN,
    scale: str = "cpu",
    root: str | Path | None = None,
    workers: int | None = None,
    source: str | Path | None = None,
    lists: Sequence[str | Path] = (),
) -> Path:
    """Make a data set and return its folder.

    MotionPairs is drawn as video files, unless it is already there. Any other set consists of manifests over the
    videos in `source`, and is written again by every call.

    Args:
        name: "motionpairs", a published set (`ctnet.data.sets.NAMES`), or any other word for class folders of your own.
        scale: Scale of MotionPairs: "smoke", "cpu" or "gpu".
        root: Folder of all sets; CTNET_DATA by default.
        workers: Number of processes; all cores by default.
        source: Folder of the videos, in the layout of the set's owners or with one folder per class.
        lists: Files that list the videos of each split (`ctnet.data.sets.lists`), in place of the owners' own.

    Raises:
        ConfigError: The name or the scale is unknown, or the name is not one word.
        DataError: `source` is missing, does not have the expected layout, or the set cannot be written.
    """
    workers = workers or os.cpu_count() or 1
    if name == DRAWN:
        return draw.draw(home(name, scale, root), scale, workers)
    if name.split() != [name] or Path(name).name != name or name.startswith((".", f"{DRAWN}-")):
        raise ConfigError(
            f"data set '{name}': its name must be one word, not a path, and not start with '.' or '{DRAWN}-'; "
            "give the folder of its videos with --source FOLDER"
        )
    known = (DRAWN, *sets.NAMES)
    near = [] if name in known else get_close_matches(name, known, n=1)
    if near and source is None:
        raise unknown("data set", name, known)
    if near and not lists:
        console.note(f"'{name}' is read as class folders of your own; it is not {near[0]}")
    if source is None:
        raise DataError(f"{name}: say where its videos are: python -m ctnet data prepare {name} --source FOLDER")
    return sets.prepare(
        name, Path(os.path.abspath(source)), home(name, scale, root), [Path(file) for file in lists], workers
    )


def from_folders(source: str | Path, folder: str | Path, workers: int | None = None) -> Path:
    """Make a data set of videos that are kept in one folder per class.

    A video that cannot be read is left out and named in report.txt.

    Args:
        source: Folder with `<class>/<video>` or `{train,val,test}/<class>/<video>`. Without given splits, a hash of the
            video's name decides its split.
        folder: Folder of the new set.
        workers: Number of processes that count frames; all cores by default.

    Returns:
        `folder`.

    Raises:
        DataError: `source` has no class folders, a split would be empty, or `folder` cannot be written.

    Example:
        >>> folder = ctnet.data.from_folders("my_videos", "data/sets/mine")
        >>> train = ctnet.data.VideoDataset(folder, "train", frames=8, size=112, train=True)
    """
    source = Path(os.path.abspath(source))
    replaceable(Path(folder), [source])
    return make(folders(source), Path(folder), workers or os.cpu_count() or 1, source=source)


def verify(folder: str | Path, workers: int | None = None) -> list[str]:
    """Read every clip of a data set to its last frame.

    Args:
        folder: Folder of the set.
        workers: Number of threads; all cores by default.

    Returns:
        One line for each broken or missing video, and for each manifest whose number of clips is not the one in
        dataset.json. An empty list if all is well.

    Raises:
        DataError: dataset.json or a manifest is missing or invalid.

    Example:
        >>> ctnet.data.verify(ctnet.data.locate("motionpairs", "cpu"))
        []
    """
    from tqdm import tqdm

    folder = Path(folder)
    info = DataInfo.read(folder)
    manifests = [Manifest.read(folder, split, info) for split in info.splits]
    wrong = [
        f"{manifest_path(folder, split)}: {len(manifest)} clips, dataset.json says {info.splits[split]}"
        for split, manifest in zip(info.splits, manifests, strict=True)
        if len(manifest) != info.splits[split]
    ]

    def check(row: tuple[Path, int, int]) -> str | None:
        path, start, frames = row
        try:
            for first in range(start, start + frames, BLOCK):
                read_frames(path, range(first, min(first + BLOCK, start + frames)))
        except CtnetError as error:
            return str(error)
        return None

    rows = [(m.path(i), m.starts[i], m.frames[i]) for m in manifests for i in range(len(m))]
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        found = list(tqdm(pool.map(check, rows), "verify", len(rows), unit="clip", leave=False))
    return wrong + [line for line in found if line]


def repair_advice(folder: Path, name: str, scale: str) -> str:
    """Return the advice for a set with missing or broken videos, with the command that makes it again.

    Args:
        folder: Folder of the set.
        name, scale: What the set was prepared with.
    """
    if name == DRAWN:  # a finished set is not drawn again while its folder exists
        return f"remove {folder} and run: python -m ctnet data prepare {name} --scale {scale}"
    command = f"python -m ctnet data prepare {name} --source {shlex.quote(source_of(folder) or 'FOLDER')}"
    return f"restore them, or leave them out (with the same --lists as before, if any): {command}"
