"""An evaluation as steps whose results are kept on disk, so that it can be interrupted anywhere."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mvae.files import write_atomically

__all__ = ["WORKING", "Step", "StepCache"]

#: The file beside a checkpoint in which the results of the steps are kept.
WORKING = "working.safetensors"


@dataclass(frozen=True)
class Step:
    """A piece of an evaluation that takes seconds.

    Args:
        what: the figure that it belongs to.
        part: which part of the samples it takes, from 0.
        size: thousands of decoded latents, or their equal; by it the time left is estimated.
        run: computes the results, named tensors whose first dimension is that of the part.
    """

    what: str
    part: int
    size: int
    run: Callable[[torch.Generator], Mapping[str, Tensor]]


class StepCache:
    """Results of steps, on disk as they come.

    What was computed under other settings, or of other weights, is forgotten.

    Args:
        path: of the file; it may not be there yet, or be damaged.
        settings: everything that the results depend on.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / WORKING
        >>> step = Step("zeros", 0, 1, lambda generator: {"value": torch.zeros(2)})
        >>> StepCache(path, {"seed": 0}).do(step, seed=0)
        >>> StepCache(path, {"seed": 0}).has(step), StepCache(path, {"seed": 1}).has(step)
        (True, False)
    """

    def __init__(self, path: Path, settings: Mapping[str, str | int | float]) -> None:
        self.path, self.settings = path, json.dumps(dict(settings), sort_keys=True)
        self.kept: dict[str, Tensor] = {}
        try:
            with safetensors.safe_open(path, "pt") as file:
                if (file.metadata() or {}).get("settings") == self.settings:
                    self.kept = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (OSError, safetensors.SafetensorError):
            pass  # nothing was kept, or nothing whole

    def has(self, step: Step) -> bool:
        """Say whether a step was done."""
        return any(key.startswith(f"{step.what}#{step.part}#") for key in self.kept)

    def do(self, step: Step, seed: int) -> None:
        """Run a step, with random numbers that depend on the seed and on its name, and keep it.

        Two models with the same seed so see the same noise.
        """
        name = f"{step.what}#{step.part}"
        generator = torch.Generator().manual_seed(seed + 2**32 + zlib.crc32(name.encode()))
        results = step.run(generator)
        self.kept |= {f"{name}#{key}": x.contiguous() for key, x in results.items()}
        content = safetensors.torch.save(self.kept, {"settings": self.settings})
        write_atomically(self.path, content)

    def of(self, what: str) -> dict[str, Tensor]:
        """Give the results of all parts, one after the other; empty where there are none."""
        parts: dict[str, list[tuple[int, Tensor]]] = {}
        for key, x in self.kept.items():
            of, part, name = key.rsplit("#", 2)
            if of == what:
                parts.setdefault(name, []).append((int(part), x))
        return {
            name: torch.cat([x for _, x in sorted(each, key=lambda part: part[0])])
            for name, each in parts.items()
        }
