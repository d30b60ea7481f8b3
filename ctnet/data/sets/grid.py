"""GRID words (Cooke et al., 2006): lip reading on real video, word by word.

The corpus, as its owners publish it:                       or a packed copy of one talker:
    <anywhere>/<talker>/.../<sentence>.mpg                      videos/<sentence>.mp4
    <anywhere>/<talker>/.../<sentence>.align                    words.csv
      (`23000 29500 bin`: start, end, word; 1000 a frame)

A clip is one word with a margin, cut out of its sentence once (see `grid_cuts`). All words of a sentence are in one
split.
"""

import os
import re
from collections.abc import Iterator
from functools import partial
from hashlib import md5
from pathlib import Path

from ctnet.data.sets.annotations import malformed, read_lines, read_rows, whole_number
from ctnet.data.sets.files import find, inside
from ctnet.data.sets.grid_cuts import CUTS, Word, cut_words
from ctnet.data.sets.listing import Clip, Entry, Listing
from ctnet.errors import DataError

NUMBERS = ("label", "start_frame", "end_frame", "video_frames")
COLUMNS = ("video", "split", "word", *NUMBERS)
MARGIN = 2  # frames taken before and after a word
SUBSETS = {"grid16": 16, "grid10": 10, "grid51": 51}  # commands, colours, prepositions and adverbs; digits; all words
DIGITS = "zero one two three four five six seven eight nine".split()
SLOTS = 6  # words of a sentence: command, colour, preposition, letter, digit, adverb
SILENCE = {"sil", "sp"}
PER_FRAME = 1000  # time units of an align file in one frame


def read(source: Path, name: str) -> Listing:
    """Read the words of one subset; preparing the set cuts each of them out of its sentence.

    Args:
        source: A folder with the corpus, or with the packed copy of one talker.
        name: `grid16` (commands, colours, prepositions, adverbs), `grid10` (digits) or `grid51` (all words).
    """
    known, words = packed(source) if (source / "words.csv").is_file() else corpus(source)
    classes = {
        "grid16": [word for word in known if len(word) > 1 and word not in DIGITS],
        "grid10": [word for word in known if word in DIGITS],
        "grid51": known,
    }[name]
    words = [word for word in words if word.word in classes]

    def entries() -> Iterator[Entry]:
        for word in words:
            yield word.where, word.split, Clip(Path("..", CUTS, word.cut), classes.index(word.word))

    listing = Listing.of(classes, entries(), ("train", "test"))
    listing.count = partial(cut_words, list({word.cut: word for word in words}.values()), source)
    return listing


def packed(source: Path) -> tuple[list[str], list[Word]]:
    """Read words.csv, which gives the frames of each word and the split of each sentence.

    Returns:
        The classes in label order, and the words.
    """
    words, labels = [], {}
    for where, row in read_rows(find(source, "words.csv"), COLUMNS):
        label, start, end, total = (whole_number(row[column], column, where) for column in NUMBERS)
        labels[row["word"]] = label
        start, end = max(start - MARGIN, 0), min(end + MARGIN, total)
        video, split = row["video"], "train" if row["split"] == "train" else "test"
        path = inside(source / "videos", f"{video}.mp4", where)
        if path.parent != source / "videos":
            raise DataError(f"{where}: '{video[:100]}' must name a file in {source / 'videos'}, without a folder")
        words.append(Word(path, split, row["word"], start, end, f"{video}-{start}-{end}.avi", where))
    find(source, "videos")
    return sorted(labels, key=labels.__getitem__), words


def corpus(source: Path) -> tuple[list[str], list[Word]]:
    """Read the sentences that have an align file, whether their video is there or not.

    Classes are in the order of a sentence's slots, sorted by name within a slot. A sentence is in the test split if the
    md5 of its name is divisible by 5. Both are as in the packed copy. Unlike there, the frames show the whole face.

    Returns:
        The classes in label order, and the words.
    """
    files: dict[str, dict[tuple[str, str], Path]] = {".mpg": {}, ".align": {}}
    for home, _, names in os.walk(source):
        talker = next((part for part in reversed(Path(home).parts) if re.fullmatch(r"s\d+", part)), "s0")
        for name in sorted(names):
            stem, ending = os.path.splitext(name)
            if ending in files:
                files[ending].setdefault((talker, stem), Path(home, name))
    videos, alignments = files[".mpg"], files[".align"]
    if not set(videos) & set(alignments):
        raise DataError(
            f"{source}: not GRID: needs the talkers' folders (s1, ...) with .mpg videos and .align files, or a packed "
            "copy with words.csv and videos/"
        )
    slots: dict[str, int] = {}
    words = []
    for talker, name in sorted(alignments):
        path = alignments[talker, name]
        spoken = [row for row in map(_aligned, read_lines(path)) if row[2] not in SILENCE]
        if len(spoken) != SLOTS:
            raise DataError(f"{path}: {len(spoken)} words; a sentence of GRID has {SLOTS}")
        split = "test" if int(md5(name.encode()).hexdigest(), 16) % 5 == 0 else "train"
        video = videos.get((talker, name), source / talker / f"{name}.mpg")
        for slot, (first, last, word) in enumerate(spoken):
            slots[word] = min(slot, slots.get(word, slot))
            start, end = max(first - MARGIN, 0), last + MARGIN
            words.append(Word(video, split, word, start, end, f"{talker}-{name}-{start}-{end}.avi", str(path)))
    return sorted(slots, key=lambda word: (slots[word], word)), words


def _aligned(entry: tuple[str, str]) -> tuple[int, int, str]:
    """Parse a line of an align file into the word's first frame, the frame after its last, and the word."""
    where, line = entry
    parts = line.split()
    if len(parts) != 3:
        raise malformed(where, "'start end word'", line)
    start, end = (whole_number(part, "a time", where) // PER_FRAME for part in parts[:2])
    if end < start:
        raise DataError(f"{where}: the word '{parts[2]}' ends before it starts")
    return start, end, parts[2]


READERS = {name: partial(read, name=name) for name in SUBSETS}
ORDERS: dict[str, str] = {}  # the owners publish none
