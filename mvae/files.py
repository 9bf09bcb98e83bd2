"""Files on disk: atomic writes, verified reads, and at most one writer per folder."""

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
    """Return the name of a checkpoint's file without the location of the root on this machine.

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
    """Return the content of a file, or None if there is no such file.

    Raises:
        CheckpointError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CheckpointError(
            f"{short(path)} cannot be read: {error.strerror}; restore it or its permissions."
        ) from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, which identifies, for example, the weights behind figures.

    Raises:
        CheckpointError: if it is missing or cannot be read.
    """
    return hashlib.sha256(read(path)).hexdigest()


def version_of(*paths: Path) -> str:
    """Return a hash of the contents of files; a file is reread only after it has changed.

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
    """Return the SHA-256 of a file, cached by its inode number, modification time and size."""
    return sha256(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers, even after a crash, see either the old or the new content.

    A temporary file in the same folder is flushed to disk and renamed over the old one. It is
    locked meanwhile, so that one without a lock must have been left by a process that was killed.

    Raises:
        OSError: if the file cannot be written; it names the file.
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
    """Lock an open file or folder until it is closed; return False if another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network drives do not support locks
    return True


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Lock a folder while work is done whose results are written into it.

    Temporary files left there by killed processes are removed. The lock is released by the
    operating system when the process ends, however it ends.

    Raises:
        CheckpointError: if the folder cannot be written to, or another process has locked it.
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
                f"Another command is writing into {name}; wait for it to finish, or stop it."
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
    """Serialise tensors in the safetensors format."""
    plain = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    return safetensors.torch.save(plain)


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    write_atomically(path, to_bytes(tensors))


#: The file with the hashes of a folder's files, in the format of ``sha256sum --check``.
SUMS = "SHA256SUMS"
LINE = re.compile(r"(?P<sum>[0-9a-f]{64})  (?P<name>[^/]+)")


def sums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file listed in a folder's SHA256SUMS, by name.

    Raises:
        CheckpointError: if it is damaged or cannot be read.
    """
    text = (read_if_there(folder / SUMS) or b"").decode(errors="replace")
    lines = [LINE.fullmatch(line) for line in text.splitlines()]
    if not all(lines):
        raise CheckpointError(f"{short(folder / SUMS)} is damaged; restore it.")
    return {line["name"]: line["sum"] for line in lines if line}


def save_listed(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, and their hash to the SHA256SUMS of the folder.

    The caller must have locked the folder with :func:`writing`, since two files are written.
    """
    content = to_bytes(tensors)
    listed = sums(path.parent) | {path.name: hashlib.sha256(content).hexdigest()}
    write_atomically(path, content)
    text = "".join(f"{listed[name]}  {name}\n" for name in sorted(listed))
    write_atomically(path.parent / SUMS, text.encode())


def load_tensors(path: Path, expected: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file.

    Args:
        path: the path of the file.
        expected: its SHA-256; if None, the one in SHA256SUMS in the same folder, if listed there.

    Raises:
        CheckpointError: if the file is missing or damaged, or has another hash.
    """
    content, source = read(path), "config.json"
    if expected is None:
        expected, source = sums(path.parent).get(path.name), SUMS
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise CheckpointError(
            f"{short(path)} is damaged or of another version: its SHA-256 is not the one in "
            f"{source}; restore or recreate both files."
        )
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{short(path)} is damaged ({error}); restore it.") from None
