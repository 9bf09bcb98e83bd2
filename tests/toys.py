"""Toy checkpoints of every kind of modality: random weights, rounded as checkpoints keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mvae.analysis.embedding import _hashes, pool_posteriors
from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, Training, save_model
from mvae.files import save_tensors
from mvae.modality import Modality
from mvae.models.mvae import MVAE
from mvae.models.objectives import SubSampled

__all__ = ["LATENTS", "SIZED", "TOYS", "build", "write_toys"]

LATENTS, SAMPLES = 6, 24
COLOUR = "bernoulli-cross-entropy"


def image(name: str, *shape: int, likelihood: str = COLOUR, convolutions: bool = True) -> Modality:
    """Describe an image, convolved or not."""
    return Modality(
        name=name,
        kind="image",
        shape=shape,
        likelihood=likelihood,
        hidden=(24,),
        convolutions=(6, 8, 12) if convolutions else (),
    )


def sized_image(name: str, channels: int) -> Modality:
    """Describe an image whose network is as large as that of a trained one."""
    return Modality(
        name=name,
        kind="image",
        shape=(channels, 32, 32),
        likelihood=COLOUR,
        hidden=(256,),
        convolutions=(32, 64, 64),
    )


def words(name: str, *vocabulary: str, length: int, width: int = 24) -> Modality:
    """Describe a text."""
    return Modality(
        name=name,
        kind="text",
        shape=(length,),
        likelihood="autoregressive",
        hidden=(width,),
        categories=("", *vocabulary),
    )


def tags(name: str, count: int, hidden: tuple[int, ...] = (16,)) -> Modality:
    """Describe tags."""
    return Modality(
        name=name,
        kind="tags",
        shape=(count,),
        likelihood="bernoulli",
        hidden=hidden,
        categories=tuple(f"tag {i}" for i in range(count)),
    )


def vector(name: str, size: int, grid: tuple[int, int] | None = None) -> Modality:
    """Describe a vector, on a grid or not."""
    return Modality(
        name=name, kind="vector", shape=(size,), likelihood="gaussian", hidden=(16,), grid=grid
    )


def series(name: str, *shape: int, convolutions: tuple[int, ...] = (6, 8)) -> Modality:
    """Describe a series, convolved or not."""
    return Modality(
        name=name,
        kind="series",
        shape=shape,
        likelihood="gaussian",
        hidden=(16,),
        convolutions=convolutions,
    )


def label(name: str, *categories: str, hidden: tuple[int, ...] = (12,)) -> Modality:
    """Describe a label."""
    return Modality(
        name=name,
        kind="label",
        shape=(len(categories),),
        likelihood="categorical",
        hidden=hidden,
        categories=categories,
    )


#: By data set: each of the shapes of data that pages are to show.
TOYS: dict[str, tuple[Modality, ...]] = {
    "spoken": (
        image("image", 1, 50, 50, likelihood="bernoulli"),
        words("text", *"0123456789", length=6),
    ),
    "traits": (
        image("image", 3, 32, 32),
        *(label(f"trait {i}", "no", "yes") for i in range(18)),
    ),
    "scenes": (
        image("colour", 3, 32, 32),
        image("grey", 1, 32, 32),
        image("edges", 1, 32, 32, likelihood="bernoulli"),
        image("masked", 3, 32, 32),
        image("small", 3, 7, 9, convolutions=False),
    ),
    "clips": (image("clip", 3, 33, 20), tags("tags", 30), tags("mood", 4)),
    "sentences": (
        words("english", *(f"▁w{i}" if i % 3 else f"x{i}" for i in range(40)), length=9),
        words("vietnamese", *(f"▁v{i}" for i in range(50)), length=9),
    ),
    "measured": (
        vector("pixels", 240),
        vector("shape", 47),
        vector("few", 6),
        vector("drawn", 20, grid=(4, 5)),
        label("digit", *"0123456789"),
    ),
    "signals": (
        series("sensor", 2, 21),
        series("pulse", 1, 8, convolutions=()),
        label("event", "rest", "walk", "run"),
    ),
}


#: Toys as large as what is trained, for measuring how long they take.
SIZED: dict[str, tuple[Modality, ...]] = {
    "faces": (sized_image("image", 3), tags("attributes", 18, (256,))),
    "scenes": tuple(sized_image(f"image {i}", 3) for i in range(5)),
    "traits": (
        sized_image("image", 3),
        *(label(f"trait {i}", "no", "yes", hidden=(64, 64)) for i in range(18)),
    ),
    "sentences": tuple(
        words(name, *(f"▁w{i}" for i in range(1999)), length=24, width=256)
        for name in ("english", "vietnamese")
    ),
}


def values_of(m: Modality, n: int, source: torch.Generator) -> Tensor:
    """Draw data of a kind."""
    if m.kind == "label":
        return torch.arange(n) % m.shape[0]
    if m.kind == "text":
        tokens = torch.randint(1, len(m.categories), (n, *m.shape), generator=source)
        ends = torch.randint(1, m.shape[0] + 1, (n, 1), generator=source)
        return torch.where(torch.arange(m.shape[0]) < ends, tokens, 0)
    if m.kind in ("vector", "series"):
        return torch.randn(n, *m.shape, generator=source)
    if m.kind == "tags":
        return torch.randint(2, (n, *m.shape), generator=source).float()
    levels = 2 if m.distribution.binary else 256
    values = torch.randint(levels, (n, *m.shape), generator=source)
    return (values * 255 // (levels - 1)).to(torch.uint8)


def build(modalities: Iterable[Modality], latents: int = LATENTS) -> MVAE:
    """Make a model with weights large enough to have opinions, each a float16 number."""
    torch.manual_seed(0)
    model = MVAE(modalities, latents)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # An expert moderately sure, a decoder decided; an embedding has the right size already.
            scale = 1.0 if name.startswith("encoders") or "embed" in name else 2.2
            scale *= 2.0 if ".grow." in name else 1.0
            weight.mul_(scale).copy_(weight.half().float())
    return model.eval()


def write_toys(
    root: Path, toys: Mapping[str, tuple[Modality, ...]] = TOYS, latents: int = LATENTS
) -> Path:
    """Write a checkpoint, its examples and its map of every toy data set."""
    source = torch.Generator().manual_seed(1)
    for data, modalities in toys.items():
        config = ModelConfig(
            dataset=data,
            model="mvae",
            summary="A toy with random weights.",
            limitations=("It knows nothing.",),
            latents=latents,
            modalities=modalities,
            objective=SubSampled(),
            training=Training(epochs=1),
        )
        model = build(modalities, latents)
        save_model(root / data / "mvae", config, model.state_dict())
        stored = {m.name: values_of(m, SAMPLES, source) for m in modalities}
        save_tensors(root / data / "samples.safetensors", stored)
        values = {
            m.name: stored[m.name].float() / 255 if m.kind == "image" else stored[m.name]
            for m in modalities
        }
        # Any places will do for a layout that takes seconds to fit.
        means = pool_posteriors(model, Batch.of(modalities, values)).posteriors.mean
        save_tensors(
            root / data / "mvae" / "map.safetensors",
            {"umap": means[:, :2], "made of": _hashes(data, "mvae", root)},
        )
    return root
