"""One drawing process: `python -m ctnet.data.motionpairs.write FOLDER SCALE-AS-JSON K N`.

It writes every N-th pair, starting at the K-th, and reports "+n" when n more clips are there. A file gets its name only
when it is complete, so a file that is there is not drawn again.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from ctnet.data.fanout import report
from ctnet.data.motionpairs.classes import CLASSES
from ctnet.data.motionpairs.draw import DrawnSize, video_path
from ctnet.data.motionpairs.pairs import PAIRED, SPLITS, pair
from ctnet.data.video import write_video
from ctnet.paths import atomic


def _groups(indices: Iterable[int]) -> list[tuple[int, ...]]:
    """Group clips by drawing: twins (2k, 2k + 1) share one, every other clip has its own."""
    return [
        (k, k + 1) if label < PAIRED else (k,)
        for k in indices
        if (label := k % len(CLASSES)) >= PAIRED or label % 2 == 0
    ]


def main(folder: Path, size: DrawnSize, k: int, n: int) -> None:
    """Write every `n`-th group of clips, starting at the `k`-th."""
    for split in SPLITS:
        for group in _groups(size.indices(split))[k::n]:
            files = [folder / video_path(split, index) for index in group]
            if not all(file.exists() for file in files):
                hard = size.hard(split, group[0])
                drawn = pair(split, size.seed, group[0], size.size, size.frames, hard, size.width)
                for file, frames in zip(files, (drawn, drawn[::-1]), strict=False):
                    with atomic(file) as part:
                        write_video(part, frames)
            report(f"+{len(group)}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), DrawnSize.from_dict(json.loads(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4]))
    except BrokenPipeError:  # the caller was killed
        os._exit(1)
    except OSError as error:
        report(f"{error.filename or sys.argv[1]}: {error.strerror or error}")
        sys.exit(1)
