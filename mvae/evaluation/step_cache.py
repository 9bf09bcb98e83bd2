"""Evaluation as a sequence of steps whose results are saved, so that it can be interrupted."""

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

__all__ = ["CACHE_FILE", "Step", "StepCache"]

#: File in the folder of a checkpoint with the results of the steps.
CACHE_FILE = "working.safetensors"


@dataclass(frozen=True)
class Step:
    """A step of an evaluation, which takes a few seconds.

    Args:
        name: name of the figure to which it contributes.
        part: index of the part of the samples that it processes, from 0.
        size: cost in thousands of decoded latents, from which the time left is estimated.
        run: computes the results, tensors by name whose first dimension is that of the part.
    """

    name: str
    part: int
    size: int
    run: Callable[[torch.Generator], Mapping[str, Tensor]]


class StepCache:
    """Results of steps, saved to disk as soon as they are computed.

    Results in the file that were computed with other settings or weights are discarded.

    Args:
        path: path of the file, which may be missing or damaged.
        settings: everything that the results depend on.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / CACHE_FILE
        >>> step = Step("zeros", 0, 1, lambda generator: {"value": torch.zeros(2)})
        >>> StepCache(path, {"seed": 0}).run(step, seed=0)
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
            pass  # the file is missing or damaged

    def has(self, step: Step) -> bool:
        """Whether a step has been run."""
        return any(key.startswith(f"{step.name}#{step.part}#") for key in self.kept)

    def run(self, step: Step, seed: int) -> None:
        """Run a step and save its results.

        Its random numbers depend on the seed and on the step's name and part, so that two models
        with the same seed see the same noise.
        """
        name = f"{step.name}#{step.part}"
        generator = torch.Generator().manual_seed(seed + 2**32 + zlib.crc32(name.encode()))
        results = step.run(generator)
        self.kept |= {f"{name}#{key}": x.contiguous() for key, x in results.items()}
        content = safetensors.torch.save(self.kept, {"settings": self.settings})
        write_atomically(self.path, content)

    def results(self, name: str) -> dict[str, Tensor]:
        """Return the results of all parts, concatenated by name; empty if there are none."""
        parts: dict[str, list[tuple[int, Tensor]]] = {}
        for key, x in self.kept.items():
            step, part, result = key.rsplit("#", 2)
            if step == name:
                parts.setdefault(result, []).append((int(part), x))
        return {
            result: torch.cat([x for _, x in sorted(each, key=lambda part: part[0])])
            for result, each in parts.items()
        }
