"""Checkpoints: float16 weights in safetensors, settings in validated JSON, written atomically."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from torch import Tensor, nn

from mvae.batch import Batch
from mvae.files import (
    CheckpointError,
    load_tensors,
    read_if_there,
    sha256,
    short,
    to_bytes,
    version_of,
    write_atomically,
    write_json,
)
from mvae.kinds.registry import KINDS
from mvae.modality import Modality
from mvae.models.base import MultimodalModel
from mvae.models.registry import AnyObjective
from mvae.search_path import checkpoint_folders, find, folder_of

__all__ = [
    "Metrics",
    "ModelConfig",
    "Training",
    "available",
    "load_metrics",
    "load_model",
    "load_samples",
    "save_model",
    "version",
]

#: The largest seed: one that torch, NumPy and UMAP take.
LARGEST_SEED = 2**32 - 1
#: The most weights of a model: what a file asks for is allocated, so it has bounds.
MOST_WEIGHTS = 10**8
#: What the app and the command line show first.
DEFAULT_DATASET, DEFAULT_MODEL = "mnist", "mvae-cover"


class Training(BaseModel):
    """How a model is trained: the budget and the optimiser, the same for all of a data set.

    Args:
        epochs: passes over the training split.
        batch: samples a step.
        learning_rate: of Adam; multiplied by 0.1 after 70 % of training and by 0.03 after 90 %.
        energy_learning_rate: of stochastic gradient descent with momentum ½, which trains the
            weights of a Boltzmann machine's energy; None where there is none.
        averaging: decay per step of the exponential average of the weights, which is what is
            validated and kept; 0 keeps the weights themselves. Polyak & Juditsky 1992,
            https://doi.org/10.1137/0330046.
        warmup: fraction of the steps over which β rises linearly from 0 to 1.
        missing: share of the training samples that lack their labels, tags or texts.
        seed: of weights, order and draws, and of which samples lack something.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(gt=0, le=10**6)
    batch: int = Field(default=128, gt=0, le=10**6)
    learning_rate: float = Field(
        default=1e-3, gt=0, le=100, validation_alias=AliasChoices("learning_rate", "rate")
    )
    energy_learning_rate: float | None = Field(
        default=None,
        gt=0,
        le=100,
        validation_alias=AliasChoices("energy_learning_rate", "energy_rate"),
    )
    averaging: float = Field(default=0.0, ge=0, lt=1)
    warmup: float = Field(default=0.2, ge=0, le=1)
    missing: float = Field(default=0.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)


def weights_at_most(modalities: Iterable[Modality], latents: int) -> int:
    """Return about how many weights the largest kind of model has, without making one.

    That is one with an encoder and a decoder of every modality for each of them, or one in which
    every number is joined to every latent.
    """
    total, joined, count = 0, 0, 0
    for m in modalities:
        inputs, before = KINDS[m.kind].fan_in(m)
        layers = (inputs * m.distribution.parameters, *m.hidden, 2 * latents)
        total += before + sum(a * b for a, b in pairwise(layers))
        joined += math.prod(m.shape) * latents
        count += 1
    return max(2 * total * count, joined)


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

    @model_validator(mode="after")
    def _not_too_large(self) -> Self:
        if (size := weights_at_most(self.modalities, self.latents)) > MOST_WEIGHTS:
            raise ValueError(
                f"these networks may have {size:,} weights, more than {MOST_WEIGHTS:,}; make "
                "hidden layers or shapes smaller"
            )
        return self

    def build(self) -> MultimodalModel:
        """Return the model with fresh weights.

        Raises:
            CheckpointError: if this kind of model cannot be made of these modalities.
        """
        try:
            return self.objective.network(self.modalities, self.latents)
        except ValueError as error:
            name = f"{self.dataset}/{self.model}"
            raise CheckpointError(f"{name} cannot be built: {error}.") from None


class SavedConfig(ModelConfig):
    """A configuration as config.json holds it, beside the weights that it belongs to.

    Args:
        weights_sha256: SHA-256 of weights.safetensors; None where no weights are kept.
    """

    weights_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


def folder_name(model: str, seed: int) -> str:
    """Return the name of a checkpoint's folder: that of its model, and the seed unless it is 0.

    Example:
        >>> folder_name("mvae", 0), folder_name("mvae", 2)
        ('mvae', 'mvae-seed-2')
    """
    return f"{model}-seed-{seed}" if seed else model


def save_model(folder: Path, config: ModelConfig, weights: Mapping[str, Tensor]) -> None:
    """Write weights.safetensors (float16), and config.json with their hash, into a folder."""
    half = {name: w.half() if w.is_floating_point() else w for name, w in weights.items()}
    content = to_bytes(half)
    write_atomically(folder / "weights.safetensors", content)
    version = hashlib.sha256(content).hexdigest()
    write_json(folder / "config.json", config.model_dump(mode="json") | {"weights_sha256": version})


def load_saved(folder: Path) -> SavedConfig:
    """Read and validate config.json.

    Raises:
        CheckpointError: if it is missing, does not say what a model needs, or belongs to another
            folder.
    """
    path = folder / "config.json"
    content = read_if_there(path)
    if content is None:
        raise CheckpointError(f"There is no checkpoint {folder.parent.name}/{folder.name}.")
    try:
        config = SavedConfig.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        raise CheckpointError(f"{short(path)} is not valid: {where}: {first['msg']}.") from None
    own = config.dataset, folder_name(config.model, config.training.seed)
    if own != (folder.parent.name, folder.name):
        raise CheckpointError(
            f"{short(path)} describes the checkpoint {'/'.join(own)}; restore the file, or move "
            f"it and its weights to a folder of that name."
        )
    return config


def load_config(folder: Path) -> ModelConfig:
    """Return the description of a model, without the hash of its weights.

    Raises:
        CheckpointError: as :func:`load_saved`.
    """
    return ModelConfig.model_validate(load_saved(folder).model_dump(exclude={"weights_sha256"}))


def load_into(module: nn.Module, path: Path, expected: str | None = None) -> None:
    """Fill a module with the weights of a file, all of them and no others.

    Args:
        module: whose weights are replaced.
        path: of the file.
        expected: SHA-256 of the file, if it is known.

    Raises:
        CheckpointError: if the file has another hash; or naming the first tensor that is missing,
            too many, of a wrong shape or type, or not finite.
    """
    weights, wanted = load_tensors(path, expected), module.state_dict()
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
        elif weights[name].dtype not in dtypes(wanted[name]):
            problem = (
                f"has {name} of type {weights[name].dtype} "
                f"where the model needs {' or '.join(map(str, dtypes(wanted[name])))}"
            )
        elif not weights[name].isfinite().all():
            problem = f"has values in {name} that are not finite"
        else:
            continue
        raise CheckpointError(f"{short(path)} {problem}; restore the file or train again.")
    module.load_state_dict({name: w.to(wanted[name].dtype) for name, w in weights.items()})


def dtypes(wanted: Tensor) -> tuple[torch.dtype, ...]:
    """Return the types in which a file may keep a tensor: a float in half or single precision."""
    return (torch.float16, torch.float32) if wanted.is_floating_point() else (wanted.dtype,)


def load_model(
    dataset: str, model: str, root: Path | None = None
) -> tuple[MultimodalModel, ModelConfig]:
    """Load a checkpoint, ready to infer with.

    Weights that are not those that the configuration names are refused, so that what is returned
    is one version of the checkpoint whatever happens to its files meanwhile.

    Args:
        dataset: name of the data set.
        model: name of the model.
        root: the only folder of checkpoints to look into, instead of the search path.

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
    folder = folder_of(dataset, model, root)
    saved = load_saved(folder)
    if saved.weights_sha256 is None:
        raise CheckpointError(
            f"{short(folder / 'config.json')} has no weights_sha256, so it belongs to no weights; "
            "restore the file or train again."
        )
    config = ModelConfig.model_validate(saved.model_dump(exclude={"weights_sha256"}))
    built = config.build()
    load_into(built, folder / "weights.safetensors", saved.weights_sha256)
    return built.eval().requires_grad_(False), config


def version(dataset: str, model: str, root: Path | None = None) -> str:
    """Return a hash of a checkpoint's configuration and weights; it is the same while they are.

    It costs two looks at the file system unless a file has changed, so a cache of models may ask
    each time.

    Raises:
        CheckpointError: if a file is missing or cannot be read.
    """
    folder = folder_of(dataset, model, root)
    return version_of(folder / "config.json", folder / "weights.safetensors")


def load_samples(dataset: str, modalities: tuple[Modality, ...], root: Path | None = None) -> Batch:
    """Load the bundled test examples of a data set, whole samples in a fixed order.

    Raises:
        CheckpointError: if they are missing, damaged, or not of these modalities.
    """
    path = find(dataset, "samples.safetensors", root)
    if not path.exists():
        raise CheckpointError(
            f"There is no file {short(path)}: `python -m mvae data {dataset} --write-samples` "
            "writes it."
        )
    tensors = load_tensors(path)
    values = {}
    for m in modalities:
        if m.name not in tensors:
            raise CheckpointError(f"{short(path)} has no {m.name}; restore the file.")
        values[m.name] = KINDS[m.kind].restore(tensors[m.name])
    try:
        batch = Batch.of(modalities, values)
    except ValueError as error:
        raise CheckpointError(f"{short(path)} does not fit the model: {error}.") from None
    if lacking := [name for name in batch.names if not batch.there(name).all()]:
        raise CheckpointError(f"{short(path)}: {lacking[0]} is missing of a sample; restore it.")
    return batch


class Metrics(BaseModel):
    """What metrics.json holds.

    Args:
        protocol: how the figures came about, and the hash of the weights they belong to.
        test: figures on the test split, ``{"mean", "se", "n"}`` by what is given and asked.
    """

    protocol: dict[str, str | int | float]
    test: dict[str, Any]


def load_metrics(dataset: str, model: str, root: Path | None = None) -> Metrics | None:
    """Read a run's metrics; None where there are none of exactly the weights beside them.

    Raises:
        CheckpointError: if the file is damaged.
    """
    path = folder_of(dataset, model, root) / "metrics.json"
    content = read_if_there(path)
    if content is None:
        return None
    try:
        metrics = Metrics.model_validate_json(content)
    except ValidationError:
        raise CheckpointError(f"{short(path)} is not valid; run `evaluate` again.") from None
    weights = path.parent / "weights.safetensors"
    if not weights.exists():
        return metrics  # further seeds keep their figures only
    return metrics if metrics.protocol.get("weights_sha256") == sha256(weights) else None


def available(root: Path | None = None) -> dict[str, list[str]]:
    """List the checkpoints: data set to the names of its models, the defaults first."""
    found: dict[str, list[str]] = {}
    folders = checkpoint_folders(root=root).items()
    for dataset, model in sorted(
        (name for name, folder in folders if (folder / "weights.safetensors").exists()),
        key=lambda name: (name[0] != DEFAULT_DATASET, name[0], name[1] != DEFAULT_MODEL, name[1]),
    ):
        found.setdefault(dataset, []).append(model)
    return found
