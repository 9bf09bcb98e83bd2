"""Small tables of results: dataclasses as the rows of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from mvae.files import CheckpointError, read_if_there, write_atomically

__all__ = ["read_rows", "write_rows"]

Row = TypeVar("Row")


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read the rows of a file; an empty list if there is no file.

    Raises:
        CheckpointError: if a row is not of this kind, or the file cannot be read.
    """
    content = read_if_there(path)
    if content is None:
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        return TypeAdapter(list[kind]).validate_python(rows)  # type: ignore[valid-type]
    except (ValidationError, csv.Error, UnicodeDecodeError):
        name = "/".join(path.parts[-2:])
        raise CheckpointError(f"{name} is damaged; restore it or delete it.") from None


def write_rows(path: Path, rows: Sequence[Any]) -> None:
    """Write one or more dataclasses of one type, atomically.

    Raises:
        ValueError: if there are no rows, since a table without columns could not be read again.
    """
    if not rows:
        raise ValueError(f"there is no row to write to {path.name}")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(field.name for field in fields(rows[0]))
    writer.writerows(map(astuple, rows))
    write_atomically(path, table.getvalue().encode())
