"""Checkpoints: float16 weights in safetensors, settings in validated JSON, written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors.torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors import SafetensorError
from torch import Tensor, nn

from mvae.baselines import AnyObjective
from mvae.modality import Batch, Modality
from mvae.model import MultimodalModel

__all__ = [
    "CHECKPOINTS",
    "CheckpointError",
    "Metrics",
    "ModelConfig",
    "Training",
    "available",
    "load_metrics",
    "load_model",
    "load_samples",
    "load_tensors",
    "save_model",
    "save_tensors",
    "write_atomically",
]

#: What the app and the command line show first.
DEFAULT_DATASET, DEFAULT_MODEL = "mnist", "mvae-cover"
#: Where the bundled checkpoints lie, beside the package.
CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"


class CheckpointError(Exception):
    """A checkpoint that cannot be used; the message says what is wrong and what to do."""


class Training(BaseModel):
    """How a model is trained: the budget and the optimiser, the same for all of a data set.

    Args:
        epochs: passes over the training split.
        batch: samples a step.
        rate: Adam's learning rate; a tenth of it from 70 % on, three hundredths from 90 % on.
        energy_rate: that of stochastic gradient descent with momentum ½, by which the weights of
            a Boltzmann machine's energy learn; None where there is none.
        warmup: fraction of the steps over which β rises linearly from 0 to 1.
        missing: share of the training samples that lack their labels, tags or texts.
        seed: of weights, order and draws, and of which samples lack something.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(gt=0)
    batch: int = Field(default=128, gt=0)
    rate: float = Field(default=1e-3, gt=0)
    energy_rate: float | None = Field(default=None, gt=0)
    warmup: float = Field(default=0.2, ge=0, le=1)
    missing: float = Field(default=0.0, ge=0, le=1)
    seed: int = 0


class ModelConfig(BaseModel):
    """A model's description: what config.json holds, and all that is needed to build it.

    Args:
        dataset: name of the data set it was trained on.
        model: its name among the models of that data set.
        summary: one sentence on what it is.
        limitations: what it does badly, in words.
        latents: D.
        modalities: in order.
        objective: what was minimised; its name says what kind of model it is.
        training: how.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(pattern=r"^[a-z0-9-]+$")
    model: str = Field(pattern=r"^[a-z0-9-]+$")
    summary: str
    limitations: tuple[str, ...]
    latents: int = Field(gt=0, le=4096)
    modalities: tuple[Modality, ...] = Field(min_length=1)
    objective: AnyObjective
    training: Training

    @field_validator("modalities")
    @classmethod
    def _different_names(cls, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        names = [m.name for m in modalities]
        if len(set(names)) < len(names):
            raise ValueError(f"modalities need different names, not {', '.join(names)}")
        return modalities

    def build(self) -> MultimodalModel:
        """Make the model with fresh weights."""
        return self.objective.network(self.modalities, self.latents)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never half.

    A temporary file in the same folder, flushed to the disk, is renamed over the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


#: A list of numbers, as json.dumps writes it over several lines.
NUMBERS = re.compile(r"\[[-+.\deE,\s]*\]")


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically, a list of numbers on one line."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    # A list of numbers on one line: a hundred of them are one thing to a reader.
    text = NUMBERS.sub(lambda numbers: " ".join(numbers[0].split()), text)
    write_atomically(path, (text + "\n").encode())


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    plain = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    write_atomically(path, safetensors.torch.save(plain))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: if the file is missing or not whole.
    """
    try:
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            f"There is no file {_short(path)}; restore it or train again."
        ) from None
    except OSError as error:
        raise CheckpointError(f"{_short(path)} cannot be read: {error.strerror}.") from None
    except SafetensorError as error:
        raise CheckpointError(f"{_short(path)} is damaged ({error}); restore it.") from None


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file, by which metrics name the weights that they were measured on."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_model(folder: Path, config: ModelConfig, weights: Mapping[str, Tensor]) -> None:
    """Write config.json and weights.safetensors (float16) into a folder."""
    write_json(folder / "config.json", config.model_dump(mode="json"))
    half = {name: w.half() if w.is_floating_point() else w for name, w in weights.items()}
    save_tensors(folder / "weights.safetensors", half)


def load_config(folder: Path) -> ModelConfig:
    """Read and validate config.json.

    Raises:
        CheckpointError: if it is missing or does not say what a model needs.
    """
    path = folder / "config.json"
    try:
        return ModelConfig.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            f"There is no checkpoint {folder.parent.name}/{folder.name}."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        raise CheckpointError(f"{_short(path)} is not valid: {where}: {first['msg']}.") from None


def load_into(module: nn.Module, path: Path) -> None:
    """Fill a module with the weights of a file, all of them and no others.

    Raises:
        CheckpointError: naming the first tensor that is missing, too many, of a wrong shape, or
            not finite.
    """
    weights, wanted = load_tensors(path), module.state_dict()
    for name in sorted(wanted.keys() | weights.keys()):
        if name not in weights:
            problem = f"lacks the tensor {name}"
        elif name not in wanted:
            problem = f"has a tensor {name} that the model does not know"
        elif weights[name].shape != wanted[name].shape:
            problem = (
                f"has {name} of shape {tuple(weights[name].shape)} "
                f"where the model needs {tuple(wanted[name].shape)}"
            )
        elif not weights[name].isfinite().all():
            problem = f"has values in {name} that are not finite"
        else:
            continue
        raise CheckpointError(f"{_short(path)} {problem}; restore the file or train again.")
    module.load_state_dict({name: w.to(wanted[name].dtype) for name, w in weights.items()})


def load_model(
    dataset: str, model: str, root: Path = CHECKPOINTS
) -> tuple[MultimodalModel, ModelConfig]:
    """Load a checkpoint, ready to infer with.

    Args:
        dataset: name of the data set.
        model: name of the model.
        root: the folder of checkpoints.

    Raises:
        CheckpointError: if there is none of that name, or it is damaged.

    Example:
        >>> model, config = load_model("mnist", "mvae-cover")
        >>> config.latents, [m.name for m in model.modalities]
        (64, ['image', 'label'])
    """
    if model not in available(root).get(dataset, ()):
        known = ", ".join(f"{d}/{m}" for d, names in available(root).items() for m in names)
        raise CheckpointError(
            f"There is no checkpoint {dataset}/{model}. There are: {known or 'none'}."
        )
    config = load_config(root / dataset / model)
    built = config.build()
    load_into(built, root / dataset / model / "weights.safetensors")
    return built.eval().requires_grad_(False), config


def load_samples(dataset: str, modalities: tuple[Modality, ...], root: Path = CHECKPOINTS) -> Batch:
    """Load the bundled test examples of a data set, whole samples in a fixed order.

    Raises:
        CheckpointError: if they are missing, damaged, or not of these modalities.
    """
    path = root / dataset / "samples.safetensors"
    tensors = load_tensors(path)
    values = {}
    for m in modalities:
        if m.name not in tensors:
            raise CheckpointError(f"{_short(path)} has no {m.name}; restore the file.")
        values[m.name] = tensors[m.name].float() / 255 if m.kind == "image" else tensors[m.name]
    try:
        batch = Batch.of(modalities, values)
    except ValueError as error:
        raise CheckpointError(f"{_short(path)} does not fit the model: {error}.") from None
    if lacking := [name for name in batch.names if not batch.there(name).all()]:
        raise CheckpointError(f"{_short(path)}: {lacking[0]} is missing of a sample; restore it.")
    return batch


class Metrics(BaseModel):
    """What metrics.json holds.

    Args:
        protocol: how the figures came about, and the hash of the weights they belong to.
        test: figures on the test split, ``{"mean", "se", "n"}`` by what is given and asked.
    """

    protocol: dict[str, str | int | float]
    test: dict[str, Any]


def load_metrics(dataset: str, model: str, root: Path = CHECKPOINTS) -> Metrics | None:
    """Read a run's metrics; None where there are none of exactly the weights beside them.

    Raises:
        CheckpointError: if the file is damaged.
    """
    path = root / dataset / model / "metrics.json"
    if not path.exists():
        return None
    try:
        metrics = Metrics.model_validate_json(path.read_bytes())
    except ValidationError:
        raise CheckpointError(f"{_short(path)} is not valid; run `evaluate` again.") from None
    weights = path.parent / "weights.safetensors"
    if not weights.exists():
        return metrics  # further seeds keep their figures only
    return metrics if metrics.protocol.get("weights_sha256") == sha256(weights) else None


def available(root: Path = CHECKPOINTS) -> dict[str, list[str]]:
    """List the checkpoints: data set to the names of its models, the defaults first."""
    found: dict[str, list[str]] = {}
    paths = root.glob("*/*/config.json")
    for dataset, model in sorted(
        (path.parts[-3:-1] for path in paths if (path.parent / "weights.safetensors").exists()),
        key=lambda name: (name[0] != DEFAULT_DATASET, name[0], name[1] != DEFAULT_MODEL, name[1]),
    ):
        found.setdefault(dataset, []).append(model)
    return found


def _short(path: Path) -> str:
    """Name a checkpoint's file without saying where this machine keeps it."""
    return "/".join(path.parts[-3:])
