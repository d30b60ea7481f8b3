"""`data prepare` and `data verify`: a data set on disk, whole or not there.

A set is drawn into a hidden folder beside its place and renamed at the end, so whatever bears its name is
finished. A killed run leaves only the hidden folder, which the next one completes.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

from ctnet import paths
from ctnet.data import motionpairs
from ctnet.errors import ConfigError, CtnetError, DataError, unknown

DRAWN = "motionpairs"


@dataclass(frozen=True)
class Scale:
    """How much of MotionPairs is drawn: pixels a side, frames, clips per class of each split; how hard."""

    size: int
    frames: int
    train: int
    test: int
    seed: int = 0
    difficulty: motionpairs.Difficulty = field(default_factory=motionpairs.Difficulty)


# 8 test frames are segment centres: of 8 or 24 frames they are the same for a clip and its reversal (of 16
# they are not), so that a network blind to order is held to exactly one right answer in each pair of twins.
SCALES = {
    "smoke": Scale(size=32, frames=8, train=4, test=4),
    "cpu": Scale(
        size=32, frames=24, train=64, test=24, difficulty=motionpairs.Difficulty(noise=0.03, shake=0.006, waves=2)
    ),
    "gpu": Scale(size=112, frames=24, train=256, test=64),
}


def home(name: str = DRAWN, scale: str = "cpu", root: str | Path | None = None) -> Path:
    """Where a set is kept, made or not: <root>/motionpairs-<scale>, <root>/<name> of any other (or the folder
    that the name is); the root is CTNET_DATA unless given.
    """
    if name == DRAWN and scale not in SCALES:
        raise unknown(f"scale of {name}", scale, SCALES)
    return Path(root or paths.data_root()) / (f"{name}-{scale}" if name == DRAWN else name)


def locate(name: str = DRAWN, scale: str = "cpu", root: str | Path | None = None) -> Path:
    """The finished set's folder; DataError with the command to run where it is absent or out of date."""
    folder = home(name, scale, root)
    there = (folder / "dataset.json").exists()
    if name != DRAWN and not there:
        raise DataError(f"{folder}: data set absent; run: python -m ctnet data prepare {name} --source FOLDER")
    if name == DRAWN and not _whole(folder, _facts(name, scale)):
        state = "of another version" if there else "absent"
        raise DataError(f"{folder}: data set {state}; run: python -m ctnet data prepare {name} --scale {scale}")
    return folder


def prepare(
    name: str = DRAWN,
    scale: str = "cpu",
    root: str | Path | None = None,
    workers: int | None = None,
    source: str | Path | None = None,
) -> Path:
    """Makes a data set and returns its folder.

    motionpairs is drawn as video files, unless it is there; `workers` processes, all cores unless given. Any other set
    is manifests over the videos in `source`, made anew: grid16, grid10, grid51 (`ctnet.data.grid`), and under any
    other name, which is one word, one folder for each class (`own.from_folders`).
    """
    from ctnet.data import grid, own

    if name == DRAWN:
        return draw(scale, root, workers or os.cpu_count() or 1)
    if not name or Path(name).name != name or name.startswith((".", f"{DRAWN}-")):
        raise ConfigError(
            f"data set '{name}': its name must be one word, not a path, and not start with '.' or '{DRAWN}-'; "
            "where its videos are is --source FOLDER"
        )
    if source is None:
        known = (DRAWN, *grid.SUBSETS)
        if name not in known and get_close_matches(name, known):
            raise unknown("data set", name, known)
        raise DataError(f"{name}: say where its videos are: python -m ctnet data prepare {name} --source FOLDER")
    if name in grid.SUBSETS:
        return grid.prepare_grid(name, source, root)
    return own.from_folders(source, home(name, scale, root))


def draw(scale: str, root: str | Path | None, workers: int) -> Path:
    """Draws MotionPairs as video files with a progress bar, unless it is there, and returns its folder.

    Two calls at once wait for each other; a killed call is taken up where it stopped; what is there of another version
    or size is drawn anew.
    """
    from filelock import FileLock

    folder, facts = home(DRAWN, scale, root), _facts(DRAWN, scale)
    if _whole(folder, facts):
        return folder
    partial = folder.with_name(f".{folder.name}-{version_of(DRAWN, scale)}.partial")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if _whole(folder, facts):
                return folder
            for left in folder.parent.glob(f".{folder.name}-*.partial"):
                if left != partial:
                    shutil.rmtree(left)
            _draw(partial, scale, workers)
            for split, count in facts["splits"].items():
                _write_manifest(partial / f"{split}.csv", scale, split, count)
            (partial / "dataset.json").write_text(json.dumps(facts, indent=1))
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}); free space or set CTNET_DATA"
        ) from error
    return folder


def verify(folder: str | Path) -> list[str]:
    """Reads every video of a data set to its last frame; returns one line for each that is broken."""
    from tqdm import tqdm

    from ctnet.data.datasets import DataInfo, Manifest
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
            read_frames(path, range(start, start + frames))
        except CtnetError as error:
            return str(error)
        return None

    rows = [(m.path(i), m.starts[i], m.frames[i]) for m in manifests for i in range(len(m))]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(tqdm(pool.map(check, rows), "verify", len(rows), unit="clip", leave=False))
    return wrong + [line for line in found if line]


def _facts(name: str, scale: str) -> dict:
    """What dataset.json holds; a set on disk that says anything else is not this one."""
    size = SCALES[scale]
    classes = list(motionpairs.CLASSES)
    return {
        "name": f"{name}-{scale}",
        "version": motionpairs.VERSION,
        "scale": scale,
        "classes": classes,
        "tiers": list(motionpairs.TIERS),
        "reverse": list(motionpairs.REVERSE),
        "flip": list(motionpairs.FLIP),
        "classes_sha256": sha256(json.dumps(classes).encode()).hexdigest(),
        "splits": {split: getattr(size, split) * len(classes) for split in motionpairs.SPLITS},
        "drawn": json.loads(json.dumps(asdict(size))),
    }


def version_of(name: str, scale: str) -> str:
    """Changes with everything that decides what clips a set holds; part of an experiment's hash."""
    if name != DRAWN:
        return "as published"
    if scale not in SCALES:
        raise unknown(f"scale of {name}", scale, SCALES)
    return sha256(json.dumps(_facts(name, scale), sort_keys=True).encode()).hexdigest()[:8]


def _whole(folder: Path, facts: dict) -> bool:
    try:
        return json.loads((folder / "dataset.json").read_text()) == facts
    except (OSError, ValueError):
        return False


def video_path(split: str, index: int) -> str:
    """Where clip `index` is, below the set's folder: videos/train/03/000047.avi, 03 being its label."""
    return f"videos/{split}/{index % len(motionpairs.CLASSES):02d}/{index:06d}.avi"


def _write_manifest(path: Path, scale: str, split: str, count: int) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "start", "frames"))
        for index in range(count):
            label = index % len(motionpairs.CLASSES)
            rows.writerow((video_path(split, index), label, 0, SCALES[scale].frames))


def _draw(folder: Path, scale: str, workers: int) -> None:
    """Runs the drawing processes and counts the clips that they report on one shared pipe.

    Separate programs, not forks: they need no torch, no guard in the caller's script, and end by themselves
    (a broken pipe) when the caller is killed.
    """
    from tqdm import tqdm

    for split in motionpairs.SPLITS:
        for label in range(len(motionpairs.CLASSES)):
            (folder / video_path(split, label)).parent.mkdir(parents=True, exist_ok=True)
    single = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB")}
    path = os.pathsep.join(filter(None, (str(paths.ROOT), os.environ.get("PYTHONPATH"))))
    read, write = os.pipe()
    command = [
        sys.executable,
        "-m",
        "ctnet.data.motionpairs.write",
        str(folder),
        json.dumps(asdict(SCALES[scale])),
    ]
    processes = [
        subprocess.Popen(
            [*command, str(k), str(workers)], stdout=write, env={**os.environ, **single, "PYTHONPATH": path}
        )
        for k in range(workers)
    ]
    os.close(write)
    errors: deque[str] = deque(maxlen=1)
    total = sum(_facts(DRAWN, scale)["splits"].values())
    try:
        with os.fdopen(read) as lines, tqdm(total=total, desc=f"motionpairs-{scale}", unit="clip") as bar:
            for line in lines:
                if line.startswith("+"):
                    bar.update(int(line))
                else:
                    errors.append(line.strip())
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        codes = [process.wait() for process in processes]
    if any(codes):
        raise DataError(f"{folder}: drawing stopped: {errors[-1] if errors else f'a process ended with {codes}'}")
