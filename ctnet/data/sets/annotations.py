"""Reading annotation files (text, CSV, JSON). Every error names the file and the line."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ctnet.errors import DataError


def _read_text(path: Path) -> str:
    """Return the content of a UTF-8 text file, without a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (`FILE: line N`, stripped line) for each line that is not blank.

    Raises:
        DataError: The file is missing, is not UTF-8 or has no such line.
    """
    found = False
    for k, line in enumerate(_read_text(path).splitlines(), 1):
        if line.strip():
            found = True
            yield f"{path}: line {k}", line.strip()
    if not found:
        raise DataError(f"{path}: the file is empty")


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (`FILE: line N`, row) for each row of a CSV file with a header.

    Args:
        path: The CSV file.
        columns: Columns that every row must have; others are allowed.

    Raises:
        DataError: The file is missing or not CSV, or a required column is missing or empty.
    """
    rows = csv.DictReader(_read_text(path).splitlines())
    try:
        if missing := [column for column in columns if column not in (rows.fieldnames or ())]:
            raise DataError(f"{path}: line 1 lacks the column {', '.join(missing)}; needed: {', '.join(columns)}")
        for row in rows:
            where = f"{path}: line {rows.line_num}"
            if empty := [column for column in columns if not row[column]]:
                raise DataError(f"{where}: the column {empty[0]} is empty")
            yield where, row
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}") from None


def read_json(path: Path, kind: type) -> list | dict:
    """Return the content of a JSON file.

    Args:
        path: The JSON file.
        kind: `list` or `dict`, what the file must hold.

    Raises:
        DataError: The file is missing, is not JSON, holds something else or is empty.
    """
    try:
        content = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {error.lineno}: not JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # a number with thousands of digits, or brackets nested too deep
        raise DataError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, kind) or not content:
        raise DataError(f"{path}: must be a JSON {'list' if kind is list else 'object'} that is not empty")
    return content


def malformed(where: str, form: str, line: str) -> DataError:
    """Return the error for a line that does not have the form `form`."""
    return DataError(f"{where}: must be {form}, not '{line[:100]}'")


def whole_number(text: str, what: str, where: str) -> int:
    """Parse a whole number from 0 up, of at most nine digits.

    Args:
        text: The number as it stands in the file.
        what: What the number is, for the error message.
        where: `FILE: line N`, the start of the error message.

    Raises:
        DataError: `text` is not such a number.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(f"{where}: {what} must be a whole number from 0 up, not '{text[:50]}'")
    return int(text)


def label_of(name: str, labels: dict[str, int], where: str) -> int:
    """Return the label of a class name; DataError, starting with `where`, for an unknown class."""
    if name not in labels:
        raise DataError(f"{where}: unknown class {name[:100]!r}; there are {len(labels)} classes")
    return labels[name]
