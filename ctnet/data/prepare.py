"""`data prepare` and `data verify`: a data set on disk, whole or not there."""

import os
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from pathlib import Path

from ctnet import console
from ctnet.data.home import DRAWN, home, locate, version_of
from ctnet.data.motionpairs import draw
from ctnet.data.motionpairs.draw import SCALES, DrawnSize
from ctnet.data.writing import replaceable
from ctnet.errors import ConfigError, CtnetError, DataError, unknown


def from_folders(source: str | Path, folder: str | Path, workers: int | None = None) -> Path:
    """A set of videos kept in one folder a class: <source>/<class>/<video>, or <source>/{train,test}/<class>/<video>.

    A video that cannot be read is left out, and named in the set's report.txt.
    """
    from ctnet.data.sets.folders import folders
    from ctnet.data.sets.make import make

    source = Path(os.path.abspath(source))
    replaceable(Path(folder), [source])
    return make(folders(source), Path(folder), workers or os.cpu_count() or 1, source=source)


BLOCK = 32  # frames that `verify` holds at a time
__all__ = ["DRAWN", "SCALES", "DrawnSize", "home", "locate", "prepare", "verify", "version_of"]


def prepare(
    name: str = DRAWN,
    scale: str = "cpu",
    root: str | Path | None = None,
    workers: int | None = None,
    source: str | Path | None = None,
    lists: Sequence[str | Path] = (),
) -> Path:
    """Makes a data set and returns its folder.

    motionpairs is drawn as video files, unless it is there. Any other set is manifests over the videos in `source`,
    made anew: of a set in `sets.NAMES` in its owners' layout, of any other name, which is one word, with one folder
    for each class; or of the videos that `lists` name (`sets.lists`). `workers` processes, all cores unless given.
    """
    workers = workers or os.cpu_count() or 1
    if name == DRAWN:
        return draw.draw(home(name, scale, root), scale, workers)
    if name.split() != [name] or Path(name).name != name or name.startswith((".", f"{DRAWN}-")):
        raise ConfigError(
            f"data set '{name}': its name must be one word, not a path, and not start with '.' or '{DRAWN}-'; "
            "where its videos are is --source FOLDER"
        )
    from ctnet.data import sets

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


def verify(folder: str | Path, workers: int | None = None) -> list[str]:
    """Reads every video of a data set to its last frame; returns one line for each that is broken."""
    from tqdm import tqdm

    from ctnet.data.manifest import DataInfo, Manifest
    from ctnet.data.video import read_frames

    folder = Path(folder)
    info = DataInfo.read(folder)
    manifests = [Manifest.read(folder, split, info) for split in info.splits]
    wrong = [
        f"{folder / split}.csv: {len(manifest)} clips, dataset.json says {info.splits[split]}"
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


def mend(folder: Path, name: str, scale: str) -> str:
    """What to do about a set of which videos are missing or broken, with the command that makes it again."""
    if name == DRAWN:  # what is there finished is not drawn again
        return f"remove {folder} and run: python -m ctnet data prepare {name} --scale {scale}"
    from ctnet.data.sets.make import source_of

    command = f"python -m ctnet data prepare {name} --source {shlex.quote(source_of(folder) or 'FOLDER')}"
    return f"restore them, or leave them out (with the --lists of before, if any): {command}"
