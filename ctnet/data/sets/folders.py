"""Anybody's own videos: one folder for each class.

<class>/<video>        or        {train,val,test}/<class>/<video>

A video is a file, or a folder of images.
"""

import os
from hashlib import md5
from pathlib import Path

from ctnet.data.sets.files import is_video, needs_folder
from ctnet.data.sets.listing import Clip, Listing
from ctnet.errors import DataError


def folders(source: Path, test_share: float = 0.2) -> Listing:
    """Read class folders. Classes are sorted by name; a folder is a class if any split has a video in it.

    Without split folders, a hash of each video's name chooses its split, so a video keeps its split when others are
    added. <source>/val is the test split where there is no <source>/test.

    Args:
        source: The folder that holds the class folders, or train/, val/ and test/ with class folders in each.
        test_share: Expected share of test videos where there are no split folders.

    Raises:
        DataError: There is no class folder or no video, or all videos would be in one split.
    """
    needs_folder(source, "; --source is the folder that holds one folder for each class")
    given = [split for split in ("train", "val", "test") if (source / split).is_dir()]
    homes = {split: source / split for split in given} or {"": source}
    if "val" in given and "test" not in given:
        homes["test"] = homes.pop("val")
    roots = [(split, root) for split, home in homes.items() for root in _folders_in(home)]
    names = sorted({root.name for _, root in roots})
    if not names:
        raise DataError(f"{source}: no folders of videos in it; needed: one folder for each class")
    videos = [(split, video) for split, root in roots for video in sorted(filter(is_video, root.iterdir()))]
    filled = {video.parent.name for _, video in videos}
    classes = [name for name in names if name in filled]
    clips: dict[str, list[Clip]] = {split: [] for split in (homes if given else ("train", "test"))}
    for split, video in videos:
        side = split or ("test" if _fraction(video.name) < test_share else "train")
        clips[side].append(Clip(video, classes.index(video.parent.name)))
    found = [split for split in clips if clips[split]]
    if not found:
        raise DataError(f"{source}: no videos in its folders {', '.join(names[:5])}")
    if len(found) < len(clips) and not given:
        raise DataError(
            f"{source}: by their names all its {len(clips[found[0]])} videos would be in one split, '{found[0]}'; "
            "make folders train/ and test/ in it, with one folder for each class in both"
        )
    return Listing(tuple(classes), clips, empty=[name for name in names if name not in filled])


def _folders_in(home: Path) -> list[Path]:
    """Return the folders in `home` that are not hidden, sorted."""
    return sorted(p for p in home.iterdir() if p.is_dir() and not p.name.startswith("."))


def _fraction(name: str) -> float:
    """Map a file name to a number in [0, 1)."""
    return int(md5(os.fsencode(name)).hexdigest()[:8], 16) / 16**8
