"""Condition a small MVAE on every subset of its modalities.

    python -m examples.condition_on_subsets

The data are generated: a point on the unit circle, of which the modalities are a noisy abscissa, a
noisy ordinate and the name of the quadrant. Each piece of evidence adds precision to the posterior,
and together they determine what none of them does alone.
"""

from __future__ import annotations

import math
from itertools import combinations

import torch

from mvae.analysis.inference import infer
from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, Training
from mvae.modality import Modality
from mvae.models.objectives import SubSampled
from mvae.training.trainer import Trainer

MODALITIES = (
    Modality(name="x", kind="vector", shape=(1,), likelihood="gaussian", hidden=(32,)),
    Modality(name="y", kind="vector", shape=(1,), likelihood="gaussian", hidden=(32,)),
    Modality(
        name="quadrant",
        kind="label",
        shape=(4,),
        likelihood="categorical",
        hidden=(32,),
        categories=("first", "second", "third", "fourth"),
    ),
)


def points(n: int, seed: int) -> Batch:
    """Draw n samples."""
    source = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(n, 1, generator=source)
    noisy = {
        "x": angle.cos() + 0.1 * torch.randn(n, 1, generator=source),
        "y": angle.sin() + 0.1 * torch.randn(n, 1, generator=source),
    }
    quadrant = (2 * angle[:, 0] / math.pi).long().clamp(max=3)
    return Batch.of(MODALITIES, {**noisy, "quadrant": quadrant})


def main() -> None:
    """Train, then print the posterior and a prediction given each of the eight subsets."""
    config = ModelConfig(
        dataset="circle",
        model="mvae",
        summary="An MVAE of points on a circle.",
        limitations=("It knows nothing but the circle.",),
        latents=4,
        modalities=MODALITIES,
        objective=SubSampled(k=1),
        training=Training(epochs=40, batch=64, learning_rate=5e-3),
    )
    trainer = Trainer(config, points(2000, seed=1), points(500, seed=2))
    list(trainer)  # each item is the progress of an epoch
    model = trainer.model.eval().requires_grad_(False)

    sample = Batch.of(MODALITIES, {"x": [[0.8]], "y": [[-0.6]], "quadrant": ["fourth"]})
    names = [m.name for m in MODALITIES]
    print(f"{'given':14} {'entropy':>8} {'x':>6} {'y':>6}  quadrant")
    for evidence in (list(s) for n in range(4) for s in combinations(names, n)):
        found = infer(model, sample, evidence, draws=1000)
        x, y = found.expected["x"].item(), found.expected["y"].item()
        shares = ", ".join(f"{p:.2f}" for p in found.expected["quadrant"].tolist())
        given = ", ".join(evidence) or "nothing"
        print(f"{given:14} {found.entropy:8.2f} {x:6.2f} {y:6.2f}  {shares}")


if __name__ == "__main__":
    main()
