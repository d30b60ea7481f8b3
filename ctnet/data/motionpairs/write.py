"""One drawing process: `python -m ctnet.data.motionpairs.write FOLDER SCALE-AS-JSON K N`.

It writes every N-th pair, starting at the K-th, and reports "+n" when n more clips are there. A file gets its name only
when it is complete, so a file that is there is not drawn again.
"""

import json
import os
import sys
from pathlib import Path

from ctnet.data.fanout import report
from ctnet.data.motionpairs.classes import CLASSES
from ctnet.data.motionpairs.draw import video_path
from ctnet.data.motionpairs.pairs import PAIRED, SPLITS, pair
from ctnet.data.motionpairs.stage import Difficulty
from ctnet.data.video import write_video
from ctnet.paths import atomic


def _groups(count: int) -> list[tuple[int, ...]]:
    """Group the clips [0, count * 44) by drawing: twins (2k, 2k + 1) share one, every other clip has its own."""
    starts = (n * len(CLASSES) for n in range(count))
    labels = [*((k, k + 1) for k in range(0, PAIRED, 2)), *((k,) for k in range(PAIRED, len(CLASSES)))]
    return [tuple(start + label for label in group) for start in starts for group in labels]


def main(folder: Path, scale: dict, k: int, n: int) -> None:
    """Write every `n`-th group of clips, starting at the `k`-th; `scale` is a `DrawnSize` as a dict."""
    hard = Difficulty(**{key: tuple(v) if isinstance(v, list) else v for key, v in scale["difficulty"].items()})
    for split in SPLITS:
        for group in _groups(scale[split])[k::n]:
            files = [folder / video_path(split, index) for index in group]
            if not all(file.exists() for file in files):
                drawn = pair(split, scale["seed"], group[0], scale["size"], scale["frames"], hard)
                for file, frames in zip(files, (drawn, drawn[::-1]), strict=False):
                    with atomic(file) as part:
                        write_video(part, frames)
            report(f"+{len(group)}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    except BrokenPipeError:  # the caller was killed
        os._exit(1)
    except OSError as error:
        report(f"{error.filename or sys.argv[1]}: {error.strerror or error}")
        sys.exit(1)
