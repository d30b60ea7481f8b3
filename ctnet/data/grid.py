"""GRID words: lip reading of one talker on real video, from the packed copy (words.csv and videos/)."""

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ctnet import paths
from ctnet.data.own import replaceable, write_set
from ctnet.data.video import read_frames, write_video
from ctnet.errors import DataError, unknown

NUMBERS = ("label", "start_frame", "end_frame", "video_frames")
COLUMNS = ("video", "split", "word", *NUMBERS)
CUTS = "grid-cuts"  # folder of the word clips, beside the sets made of them
MARGIN = 2  # frames taken before and after a word
SUBSETS = {"grid16": 16, "grid10": 10, "grid51": 51}  # commands, colours, prepositions, adverbs · digits · all
DIGITS = "zero one two three four five six seven eight nine".split()


def prepare_grid(name: str, source: str | Path, root: str | Path | None = None) -> Path:
    """Manifests in <root>/<name> over word clips, which are cut out of the sentences once, into <root>/grid-cuts.

    name: `grid16` (commands, colours, prepositions, adverbs), `grid10` (digits) or `grid51` (all words). All words of
    a sentence are in the same split, as in words.csv. DataError where the folder is not the packed copy.
    """
    if name not in SUBSETS:
        raise unknown("subset of GRID", name, SUBSETS)
    source = Path(source).absolute()
    table = source / "words.csv"
    if not table.is_file() or not (source / "videos").is_dir():
        raise DataError(f"{source}: not a copy of GRID: needs words.csv ({', '.join(COLUMNS)}) and videos/")
    home = Path(root or paths.data_root())
    replaceable(home / name, [source])
    words = read_words(table)
    known = list(dict.fromkeys(row["word"] for row in sorted(words, key=lambda row: row["label"])))
    wanted = {
        "grid16": [w for w in known if len(w) > 1 and w not in DIGITS],
        "grid10": [w for w in known if w in DIGITS],
        "grid51": known,
    }[name]
    rows = {"train": [], "test": []}
    cuts = []
    for row in words:
        start = max(row["start_frame"] - MARGIN, 0)
        end = min(row["end_frame"] + MARGIN, row["video_frames"])
        if row["word"] in wanted:
            cuts.append((source / "videos" / f"{row['video']}.mp4", start, end))
            split = "train" if row["split"] == "train" else "test"
            rows[split].append((Path("..", CUTS, cut_name(*cuts[-1])), wanted.index(row["word"]), 0, end - start))
    cut(cuts, home / CUTS)
    return write_set(home / name, wanted, rows)


def read_words(table: Path) -> list[dict]:
    """The rows of words.csv with whole numbers in NUMBERS; DataError names the column and the line."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if missing := [c for c in COLUMNS if c not in (rows.fieldnames or ())]:
            raise DataError(f"{table}: line 1 lacks the column {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
        words = []
        for row in rows:
            for column in COLUMNS:
                if not row[column]:
                    raise DataError(f"{table}: line {rows.line_num}: the column {column} is empty")
                if column in NUMBERS:
                    try:
                        row[column] = int(row[column])
                    except ValueError:
                        raise DataError(
                            f"{table}: line {rows.line_num}: {column} must be a whole number, not '{row[column]}'"
                        ) from None
            words.append(row)
    return words


def cut_name(video: Path, start: int, end: int) -> str:
    return f"{video.stem}-{start}-{end}.avi"


def cut(cuts: list[tuple[Path, int, int]], folder: Path):
    """Writes each word as a file of its own, unless it is there.

    A sentence has one key frame: to read a word out of it is to decode all that comes before.
    """
    from tqdm import tqdm

    def write(one: tuple[Path, int, int]):
        path = folder / cut_name(*one)
        if not path.exists():
            part = path.with_suffix(".part.avi")
            write_video(part, read_frames(one[0], range(one[1], one[2])).numpy())
            part.replace(path)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(tqdm(pool.map(write, cuts), "cut words", len(cuts), unit="clip"))
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{folder}: cannot be written ({reason}); free space or set CTNET_DATA") from error
