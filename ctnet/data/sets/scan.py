"""Counting the frames of a set's videos, in parallel and only once.

Counts are appended to a file beside the set, so a killed call resumes where it stopped. Each worker process
(`python -m ctnet.data.sets.scan TODO K N`) counts every N-th video of the file TODO, starting at the K-th, and reports
`INDEX CHANGED FRAMES` or `INDEX ! REASON`. A worker that crashes on a broken video is replaced, and the video is
reported.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ctnet.data import fanout
from ctnet.data.sets.listing import Counts
from ctnet.data.video import count_frames
from ctnet.errors import DataError, VideoError

CRASHES = tuple(-s for s in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL))
SHARE = 200  # videos that justify one more worker process


def scan(videos: Sequence[Path], memory: Path, workers: int) -> Counts:
    """Count the frames of each video.

    Args:
        videos: Video files, or folders of images.
        memory: File that keeps the counts until the set is made. A count is used again only if its video has not
            changed since.
        workers: At most this many processes.

    Returns:
        For each video its number of frames, or one line that says why it has none.

    Raises:
        DataError: A worker was killed from outside, for example for lack of memory.
        OSError: `memory` cannot be written.
    """
    from tqdm import tqdm

    kept = recall(memory)
    counts: Counts = {video: kept[video] for video in videos if video in kept}
    todo = [video for video in dict.fromkeys(videos) if video not in counts]
    memory.parent.mkdir(parents=True, exist_ok=True)
    waiting = memory.with_suffix(".todo")
    with memory.open("a", encoding="utf-8") as file, tqdm(total=len(todo), desc="count frames", unit="video") as bar:
        file.write("\n")  # end a line that a kill cut short
        while todo:
            waiting.write_text(json.dumps([str(video) for video in todo]))
            reported: dict[int, int | str] = {}

            def collect(line: str, reported=reported, todo=todo) -> None:
                index, changed, result = line.rstrip("\n").split(" ", 2)
                reported[int(index)] = result if changed == "!" else int(result)
                if changed != "!":
                    file.write(json.dumps([str(todo[int(index)]), int(changed), int(result)]) + "\n")
                    file.flush()
                bar.update()

            count = min(workers, -(-len(todo) // SHARE))
            codes = fanout.run("ctnet.data.sets.scan", [str(waiting)], count, collect)
            for k, code in enumerate(codes):
                fatal = next((i for i in range(k, len(todo), count) if i not in reported), None)
                if code and code not in CRASHES:  # killed from outside, or out of memory
                    how = f"status {code}" if code > 0 else f"signal {-code}"
                    where = "" if fatal is None else f" at {todo[fatal]}"
                    fix = "run the same command to resume; remove a video at which it stops again"
                    raise DataError(f"counting frames stopped{where} ({how}); {fix}")
                if code and fatal is not None:
                    reported[fatal] = f"{todo[fatal]}: reading it crashes the program (signal {-code})"
                    bar.update()
            counts |= {todo[i]: found for i, found in reported.items()}
            todo = [video for i, video in enumerate(todo) if i not in reported]
    waiting.unlink(missing_ok=True)
    return counts


def recall(memory: Path) -> dict[Path, int]:
    """Return the counts that an earlier call left, for the videos that have not changed since."""
    kept = {}
    for line in memory.read_text(encoding="utf-8").splitlines() if memory.exists() else ():
        try:
            name, changed, frames = json.loads(line)
            if Path(name).stat().st_mtime_ns == changed:
                kept[Path(name)] = frames
        except (ValueError, OSError):  # a line that a kill cut short, or a video that is gone
            continue
    return kept


def _count(video: Path) -> str:
    """Return `CHANGED FRAMES` (modification time in ns, frame count), or `! REASON` in one line."""
    try:
        changed = video.stat().st_mtime_ns
        frames = count_frames(video)
        return f"{changed} {frames}" if frames else f"! {video}: no frames in it"
    except FileNotFoundError:
        return f"! {video}: no such file"
    except VideoError as error:
        return f"! {error}"
    except OSError as error:
        return f"! {video}: {error.strerror or error}"


def main(todo: Path, k: int, n: int) -> None:
    """Count the frames of every `n`-th video of the JSON list `todo`, starting at the `k`-th, and report them."""
    videos = json.loads(todo.read_text())
    for index in range(k, len(videos), n):
        fanout.report(f"{index} {_count(Path(videos[index]))}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    except BrokenPipeError:  # the caller was killed
        os._exit(1)
