"""Files on disk: read as one version, written atomically, and one writer a folder."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

__all__ = [
    "CheckpointError",
    "load_tensors",
    "read",
    "read_if_there",
    "save_listed",
    "save_tensors",
    "sha256",
    "short",
    "to_json",
    "version_of",
    "write_atomically",
    "write_json",
    "writing",
]


class CheckpointError(Exception):
    """A checkpoint that cannot be used; the message says what is wrong and what to do."""


def short(path: Path) -> str:
    """Name a checkpoint's file without saying where this machine keeps it.

    Example:
        >>> short(Path("cache/checkpoints/mnist/mvae/config.json"))
        'mnist/mvae/config.json'
    """
    return "/".join(path.parts[-3:])


def read(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        CheckpointError: if it is missing or cannot be read.
    """
    content = read_if_there(path)
    if content is None:
        raise CheckpointError(f"There is no file {short(path)}; restore it or train again.")
    return content


def read_if_there(path: Path) -> bytes | None:
    """Return the content of a file; None where there is none.

    Raises:
        CheckpointError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CheckpointError(
            f"{short(path)} cannot be read: {error.strerror}; restore it, or its permissions."
        ) from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, by which figures name the weights that they belong to.

    Raises:
        CheckpointError: if it is missing or cannot be read.
    """
    return hashlib.sha256(read(path)).hexdigest()


def version_of(*paths: Path) -> str:
    """Return a hash of the contents of files; a file is read again only once it has changed.

    Raises:
        CheckpointError: if one is missing or cannot be read.
    """
    hashes = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError as error:
            raise CheckpointError(f"{short(path)} cannot be read: {error.strerror}.") from None
        hashes.append(_hash(path, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


@lru_cache(maxsize=1024)
def _hash(path: Path, *_: int) -> str:
    """Return the SHA-256 of a file in the state that its number, time and size stand for."""
    return sha256(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never half.

    A temporary file in the same folder, flushed to the disk, is renamed over the old one. It is
    locked meanwhile: what is not locked was left by a process that was killed.

    Raises:
        OSError: naming the file, if it cannot be written.
    """
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(descriptor, "wb") as file:
            _try_lock(descriptor)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
    except BaseException as error:
        if name:
            with suppress(OSError):
                os.unlink(name)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _try_lock(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed; False where another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network drives know no locks
    return True


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold a folder as its only writer, from before the work to after its results are written.

    Temporary files that killed processes left there are removed. The lock is the operating
    system's: it ends with the process, however that ends.

    Raises:
        CheckpointError: if nothing can be written there, or another process holds the folder.
    """
    name = "/".join(folder.parts[-2:])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise CheckpointError(
            f"Nothing can be written into {name}: {error.strerror}; choose another folder."
        ) from None
    try:
        if not _try_lock(descriptor):
            raise CheckpointError(
                f"Another command is writing into {name}; wait until it has ended, or stop it."
            )
        for path in folder.glob("*.tmp"):
            with suppress(OSError), path.open("rb") as file:
                if _try_lock(file.fileno()):
                    path.unlink()
        yield
    finally:
        os.close(descriptor)


#: What fits into so many columns stands on one line of a JSON file.
WIDTH = 100


def to_json(content: Any, indent: str = "") -> str:
    """Return JSON in which whatever is short, or a figure, takes a single line.

    A figure is a list of numbers, or a number with others and lists of them that belong to it. So
    the lines that differ between two versions of a file are the figures that have changed.

    Args:
        content: dictionaries with texts as keys, lists, texts, numbers, booleans and None.
        indent: of the line that it begins on.

    Example:
        >>> print(to_json({"loglik": {"mean": -69.0, "n": 1000}, "summary": "x" * 60}))
        {
         "loglik": {"mean": -69.0, "n": 1000},
         "summary": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        }
    """
    line = json.dumps(content, ensure_ascii=False)
    deeper = indent + " "
    if len(indent) + len(line) <= WIDTH or _is_figure(content):
        return line
    if isinstance(content, dict):
        items = [f"{to_json(name)}: {to_json(x, deeper)}" for name, x in content.items()]
        return f"{{\n{deeper}" + f",\n{deeper}".join(items) + f"\n{indent}}}"
    if isinstance(content, list | tuple):
        items = [to_json(x, deeper) for x in content]
        return f"[\n{deeper}" + f",\n{deeper}".join(items) + f"\n{indent}]"
    return line


def _is_figure(x: Any) -> bool:
    """Whether it is a list of numbers, of whatever depth, or an object that begins with a number.

    Example:
        >>> _is_figure({"mean": 0.5, "by_dimension": [0.4, 0.6]}), _is_figure({"image": [0.4]})
        (True, False)
    """
    if isinstance(x, dict):
        first, *others = x.values() or [None]
        return isinstance(first, int | float) and all(map(_is_numeric, others))
    return isinstance(x, list | tuple) and _is_numeric(x)


def _is_numeric(x: Any) -> bool:
    return all(map(_is_numeric, x)) if isinstance(x, list | tuple) else isinstance(x, int | float)


def write_json(path: Path, content: Any) -> None:
    """Write a file as :func:`to_json` lays it out, atomically."""
    write_atomically(path, (to_json(content) + "\n").encode())


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors in the safetensors format."""
    plain = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    return safetensors.torch.save(plain)


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    write_atomically(path, to_bytes(tensors))


#: The hashes of a folder's files, as ``sha256sum --check`` reads them.
SUMS = "SHA256SUMS"
LINE = re.compile(r"(?P<sum>[0-9a-f]{64})  (?P<name>[^/]+)")


def sums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a folder's SHA256SUMS lists, by name.

    Raises:
        CheckpointError: if it is damaged or cannot be read.
    """
    text = (read_if_there(folder / SUMS) or b"").decode(errors="replace")
    lines = [LINE.fullmatch(line) for line in text.splitlines()]
    if not all(lines):
        raise CheckpointError(f"{short(folder / SUMS)} is damaged; restore it.")
    return {line["name"]: line["sum"] for line in lines if line}


def save_listed(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, and their hash into SHA256SUMS of the folder.

    The caller holds the folder by :func:`writing`, so that nothing comes between the two.
    """
    content = to_bytes(tensors)
    listed = sums(path.parent) | {path.name: hashlib.sha256(content).hexdigest()}
    write_atomically(path, content)
    text = "".join(f"{listed[name]}  {name}\n" for name in sorted(listed))
    write_atomically(path.parent / SUMS, text.encode())


def load_tensors(path: Path, expected: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file.

    Args:
        path: of the file.
        expected: its SHA-256; None takes that in SHA256SUMS beside it, if it is listed there.

    Raises:
        CheckpointError: if the file is missing or not whole, or has another hash.
    """
    content, source = read(path), "config.json"
    if expected is None:
        expected, source = sums(path.parent).get(path.name), SUMS
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise CheckpointError(
            f"{short(path)} is damaged or of another version: its SHA-256 is not the one in "
            f"{source}; restore both files, or make them again."
        )
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{short(path)} is damaged ({error}); restore it.") from None
