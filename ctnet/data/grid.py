"""GRID words: lip reading of one talker on real video, as manifests over the packed copy (words.csv and videos/)."""

import csv
from pathlib import Path

from ctnet import paths
from ctnet.data.own import write_set
from ctnet.errors import DataError, unknown

COLUMNS = ("video", "split", "word", "start_frame", "end_frame", "video_frames")
MARGIN = 2  # frames taken before and after a word
SUBSETS = {"grid16": 16, "grid10": 10, "grid51": 51}  # commands, colours, prepositions, adverbs · digits · all
DIGITS = "zero one two three four five six seven eight nine".split()


def prepare_grid(name: str, source: str | Path, root: str | Path | None = None) -> Path:
    """Manifests of the word clips in <root>/<name>; the videos stay in `source`.

    name: `grid16` (commands, colours, prepositions, adverbs), `grid10` (digits) or `grid51` (all words). All words of
    a sentence are in the same split, as in words.csv. DataError where the folder is not the packed copy.
    """
    if name not in SUBSETS:
        raise unknown("subset of GRID", name, SUBSETS)
    source = Path(source).absolute()
    table = source / "words.csv"
    if not table.is_file() or not (source / "videos").is_dir():
        raise DataError(f"{source}: not a copy of GRID: needs words.csv ({', '.join(COLUMNS)}) and videos/")
    with table.open(newline="", encoding="utf-8") as file:
        words = list(csv.DictReader(file))
    if missing := [c for c in COLUMNS if words and c not in words[0]]:
        raise DataError(f"{table}: lacks the columns {', '.join(missing)}")
    known = list(dict.fromkeys(row["word"] for row in sorted(words, key=lambda row: int(row["label"]))))
    wanted = {
        "grid16": [w for w in known if len(w) > 1 and w not in DIGITS],
        "grid10": [w for w in known if w in DIGITS],
        "grid51": known,
    }[name]
    rows = {"train": [], "test": []}
    for row in words:
        if row["word"] in wanted:
            start = max(int(row["start_frame"]) - MARGIN, 0)
            end = min(int(row["end_frame"]) + MARGIN, int(row["video_frames"]))
            split = "train" if row["split"] == "train" else "test"
            video = source / "videos" / f"{row['video']}.mp4"
            rows[split].append((video, wanted.index(row["word"]), start, end - start))
    return write_set(Path(root or paths.data_root()) / name, wanted, rows)
