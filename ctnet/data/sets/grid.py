"""GRID words (Cooke et al., 2006): lip reading on real video, word by word.

The corpus, as its owners publish it:                       or a packed copy of one talker:
    <anywhere>/<talker>/.../<sentence>.mpg                      videos/<sentence>.mp4
    <anywhere>/<talker>/.../<sentence>.align                    words.csv
      (`23000 29500 bin`: start, end, word; 1000 a frame)

A clip is a word with a margin, and is cut out of its sentence once: that has one key frame, so that to read a word out
of it is to decode all that comes before. All words of a sentence are in the same split.
"""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path
from typing import NamedTuple

from ctnet.data.sets.listing import Clip, Listing, find, inside, lines_of, number, once, records_of
from ctnet.data.video import count_frames, read_frames, write_video
from ctnet.data.writing import replaceable
from ctnet.errors import DataError, VideoError
from ctnet.paths import atomic

NUMBERS = ("label", "start_frame", "end_frame", "video_frames")
COLUMNS = ("video", "split", "word", *NUMBERS)
CUTS = "grid-cuts"  # folder of the word clips, beside the sets made of them
MARGIN = 2  # frames taken before and after a word
SUBSETS = {"grid16": 16, "grid10": 10, "grid51": 51}  # commands, colours, prepositions, adverbs · digits · all
DIGITS = "zero one two three four five six seven eight nine".split()
SLOTS = 6  # words of a sentence: command, colour, preposition, letter, digit, adverb
SILENCE = {"sil", "sp"}
PER_FRAME = 1000  # units of an align file


class Word(NamedTuple):
    """One word: its sentence's video, its split, frames [start, end) with the margin, the name of its cut, and where
    it is listed."""

    video: Path
    split: str
    word: str
    start: int
    end: int
    cut: str
    where: str


def prepare(name: str, source: Path, folder: Path, workers: int) -> Path:
    """Manifests in `folder` over word clips, which `workers` threads cut into grid-cuts beside it, unless they are
    there.

    name: `grid16` (commands, colours, prepositions, adverbs), `grid10` (digits) or `grid51` (all words).
    """
    from ctnet.data.sets.make import make

    replaceable(folder, [source])
    known, words = packed(source) if (source / "words.csv").is_file() else corpus(source)
    short = [w for w in known if len(w) > 1 and w not in DIGITS]
    wanted = {"grid16": short, "grid10": [w for w in known if w in DIGITS], "grid51": known}[name]
    words = [word for word in words if word.word in wanted]
    clips, wrong = once((w.where, w.split, Clip(Path("..", CUTS, w.cut), wanted.index(w.word))) for w in words)
    listing = Listing(tuple(wanted), {split: clips.get(split, []) for split in ("train", "test")}, wrong)
    words, cuts = list({word.cut: word for word in words}.values()), folder.parent / CUTS
    return make(listing, folder, 1, count=lambda videos: cut(words, source, cuts, workers), source=source)


def packed(source: Path) -> tuple[list[str], list[Word]]:
    """(classes, words) of words.csv, which gives the frames of each word and the split of each sentence."""
    words, labels = [], {}
    for where, row in records_of(find(source, "words.csv"), COLUMNS):
        label, start, end, total = (number(row[column], column, where) for column in NUMBERS)
        labels[row["word"]] = label
        start, end = max(start - MARGIN, 0), min(end + MARGIN, total)
        video, split = row["video"], "train" if row["split"] == "train" else "test"
        place = inside(source / "videos", f"{video}.mp4", where)
        if place.parent != source / "videos":
            raise DataError(f"{where}: '{video[:100]}' is no name of a file in {source / 'videos'}")
        words.append(Word(place, split, row["word"], start, end, f"{video}-{start}-{end}.avi", where))
    find(source, "videos")
    return sorted(labels, key=labels.__getitem__), words


def corpus(source: Path) -> tuple[list[str], list[Word]]:
    """(classes, words) of the sentences that have an align file, their video there or not.

    Classes are in the order of a sentence's slots, sorted within one, and a sentence tests where the md5 of its name
    divides by 5: the order and the split of the packed copy. The frames are whole, faces and not lips.
    """
    places: dict[str, dict[tuple[str, str], Path]] = {".mpg": {}, ".align": {}}
    for home, _, files in os.walk(source):
        talker = next((part for part in reversed(Path(home).parts) if re.fullmatch(r"s\d+", part)), "s0")
        for file in sorted(files):
            stem, ending = os.path.splitext(file)
            if ending in places:
                places[ending].setdefault((talker, stem), Path(home, file))
    if not set(places[".mpg"]) & set(places[".align"]):
        raise DataError(
            f"{source}: not GRID: needs the talkers' folders (s1, ...) with .mpg videos and .align files, or a packed "
            "copy with words.csv and videos/"
        )
    slots: dict[str, int] = {}
    words = []
    for talker, name in sorted(places[".align"]):
        spoken = [row for row in map(aligned, lines_of(places[".align"][talker, name])) if row[2] not in SILENCE]
        if len(spoken) != SLOTS:
            raise DataError(f"{places['.align'][talker, name]}: {len(spoken)} words; a sentence of GRID has {SLOTS}")
        split = "test" if int(md5(name.encode()).hexdigest(), 16) % 5 == 0 else "train"
        for slot, (first, last, word) in enumerate(spoken):
            slots[word] = min(slot, slots.get(word, slot))
            start, end = max(first - MARGIN, 0), last + MARGIN
            video = places[".mpg"].get((talker, name), source / talker / f"{name}.mpg")
            cut = f"{talker}-{name}-{start}-{end}.avi"
            words.append(Word(video, split, word, start, end, cut, str(places[".align"][talker, name])))
    return sorted(slots, key=lambda word: (slots[word], word)), words


def aligned(line: tuple[str, str]) -> tuple[int, int, str]:
    """(first frame, frame after the last, word) of a line of an align file."""
    where, text = line
    parts = text.split()
    if len(parts) != 3:
        raise DataError(f"{where}: needs to be 'start end word', not '{text[:100]}'")
    start, end = (number(part, "a time", where) // PER_FRAME for part in parts[:2])
    if end < start:
        raise DataError(f"{where}: the word '{parts[2]}' ends before it starts")
    return start, end, parts[2]


def cut(words: Sequence[Word], source: Path, folder: Path, workers: int) -> dict[Path, int | str]:
    """Writes each word as a file of its own, unless it is there; its frames, or one line on why there are none.

    DataError where the folder holds words of another source: a cut bears the name of its sentence only.
    """
    from filelock import FileLock
    from tqdm import tqdm

    def write(word: Word) -> int | str:
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
        frames = list(tqdm(pool.map(write, words), "cut words", len(words), unit="clip"))
    return {Path("..", folder.name, word.cut): found for word, found in zip(words, frames, strict=True)}
