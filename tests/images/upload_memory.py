"""Read files in a process of its own and print, after each, how far its memory has grown, in MB.

``python -m tests.images.upload_memory FILE…`` reads each, then three copies of the first at once.
"""

from __future__ import annotations

import resource
import sys
import threading
from pathlib import Path

from mvae.errors import InputError
from mvae.images.preprocessing import picture_from_upload
from pages.parts.server.allocator import return_freed_memory
from tests.drawings import FRAME, file_of, five

SHAPES = (FRAME, (3, 64, 64))


def peak() -> float:
    """Return the largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def read(path: str, before: float) -> None:
    """Read a file as a page does, as greys and in colour; print what became of it."""
    for shape in SHAPES:
        try:
            picture_from_upload(Path(path).read_bytes(), shape)
            said = "read"
        except InputError as error:
            said = str(error)
    print(Path(path).name, f"{peak() - before:.1f}", said, sep="\t")


def main() -> None:
    """Read what the command line names."""
    return_freed_memory()
    for shape in SHAPES:  # whatever is needed once is there
        for kind in ("PNG", "JPEG", "WEBP"):
            picture_from_upload(file_of(five(64).convert("RGB"), kind), shape)
    before = peak()
    for file in sys.argv[1:]:
        read(file, before)
    threads = [threading.Thread(target=read, args=(sys.argv[1], before)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
