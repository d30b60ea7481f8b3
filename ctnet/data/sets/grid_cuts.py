"""Cutting GRID's words out of their sentences, one video file for each word.

The words are cut because a sentence has a single key frame: to read a word from it, everything before it would have to
be decoded each time.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ctnet.data.sets.listing import Counts
from ctnet.data.video import count_frames, read_frames, write_video
from ctnet.errors import DataError, VideoError
from ctnet.paths import atomic

CUTS = "grid-cuts"  # folder of the word clips, beside the sets that use them


class Word(NamedTuple):
    """One spoken word.

    Attributes:
        video: The video of its sentence.
        split: `train` or `test`.
        word: The word, which is the class.
        start: Its first frame, margin included.
        end: The frame after its last, margin included.
        cut: Name of the file that the word is cut into.
        where: Where the word is listed, for messages.
    """

    video: Path
    split: str
    word: str
    start: int
    end: int
    cut: str
    where: str


def cut_words(words: Sequence[Word], source: Path, root: Path, workers: int) -> Counts:
    """Write each word to its own file, unless it is already there.

    Args:
        words: The words, each with another `cut`.
        source: The folder that the sentences are in. A file's name says only its sentence, so the words of two sources
            are never mixed.
        root: The folder that holds all sets; the words are written to <root>/grid-cuts.
        workers: Number of threads.

    Returns:
        For each word's path, relative to a set's folder: its number of frames, or one line that says why it has none.

    Raises:
        DataError: The folder holds words cut from another source.
    """
    from filelock import FileLock
    from tqdm import tqdm

    folder = root / CUTS

    def cut(word: Word) -> int | str:
        path = folder / word.cut
        try:
            if not path.exists():
                end = min(word.end, count_frames(word.video)) if word.video.exists() else word.end
                with atomic(path) as part:
                    write_video(part, read_frames(word.video, range(word.start, end)).numpy())
            return count_frames(path)
        except VideoError as error:
            return f"{error} (the word '{word.word}')"

    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / "source.txt"
    with FileLock(folder.with_name(f".{folder.name}.lock")), ThreadPoolExecutor(workers) as pool:
        if not owner.exists():
            owner.write_bytes(os.fsencode(source.resolve()))
        elif (other := os.fsdecode(owner.read_bytes())) != str(source.resolve()):
            raise DataError(f"{folder}: holds words cut out of {other}; set CTNET_DATA to another folder, or remove it")
        frames = list(tqdm(pool.map(cut, words), "cut words", len(words), unit="clip"))
    return {Path("..", CUTS, word.cut): found for word, found in zip(words, frames, strict=True)}
