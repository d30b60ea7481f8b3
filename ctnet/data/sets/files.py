"""Finding folders and video files below a source folder."""

import os
from pathlib import Path

from ctnet.data.video import IMAGES
from ctnet.errors import DataError

VIDEOS = {".avi", ".mp4", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".webm", ".ts", ".mts", ".m2ts"}


def needs_folder(source: Path, fix: str = "") -> None:
    """Raise DataError if `source` is not a folder; `fix` is appended to the message."""
    if not source.is_dir():
        raise DataError(f"{source}: {'not a folder' if source.exists() else 'no such folder'}{fix}")


def find(source: Path, *names: str) -> Path:
    """Return the first existing path among `names` below `source`.

    Args:
        source: A folder.
        names: Relative paths of files or folders, in order of preference.

    Raises:
        DataError: `source` is not a folder, or holds none of them.
    """
    needs_folder(source)
    for name in names:
        if (source / name).exists():
            return source / name
    raise DataError(f"{source}: holds no {' or '.join(dict.fromkeys(names))}; unpack the owners' files there")


def inside(folder: Path, name: str, where: str) -> Path:
    """Return <folder>/<name>, which need not exist.

    Args:
        folder: The folder that the path must stay in.
        name: A relative path from an annotation file.
        where: `FILE: line N`, the start of the error message.

    Raises:
        DataError: The path leads out of the folder, is the folder itself or cannot be a path.
    """
    path = os.path.normpath(folder / name)
    if "\0" in name or not Path(path).is_relative_to(folder) or Path(path) == folder:
        raise DataError(f"{where}: {name[:100]!r} is not a path inside {folder}")
    return Path(path)


def is_video(path: Path) -> bool:
    """Return whether `path` has the name of a video file, or is a folder with images in it."""
    if path.is_dir():
        return any(Path(entry.name).suffix.lower() in IMAGES for entry in os.scandir(path))
    return path.suffix.lower() in VIDEOS


def videos_below(folder: Path) -> dict[str, list[Path]]:
    """Return every video file at any depth, by its name without the ending.

    Links are followed, but each folder is read only once, under its real path where it has one below `folder`.
    """
    found: dict[str, list[Path]] = {}
    seen = set()
    for home, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(home)) in seen:
            folders.clear()
            continue
        seen.add(real)
        shown = (name for name in folders if not name.startswith("."))
        folders[:] = sorted(shown, key=lambda name: (os.path.islink(os.path.join(home, name)), name))  # links last
        for name in sorted(files):
            stem, ending = os.path.splitext(name)
            if ending.lower() in VIDEOS and not name.startswith("."):
                found.setdefault(stem, []).append(Path(home, name))
    return found
