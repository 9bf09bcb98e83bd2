"""Budgets: the settings shared by all models of a data set, so that they can be compared."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUDGETS", "Budget"]


@dataclass(frozen=True)
class Budget:
    """The settings shared by all models of a data set; see docs/training.md for their choice.

    Args:
        epochs: passes over the training split.
        learning_rate: learning rate of Adam.
        weight: λ of labels, tags and texts, chosen on the validation split.
        latents: D.
        batch: samples per step.
        limitation: a sentence on what no model does well on these data.
    """

    epochs: int
    learning_rate: float = 1e-3
    weight: float = 1.0
    latents: int = 64
    batch: int = 128
    limitation: str = ""


#: By data set. For `mvae` on MNIST, the validation joint log p after 20 epochs was −73.3 with a
#: learning rate of 2.5e-3 and −76.5 with 1e-3.
BUDGETS = {
    "mnist": Budget(20, 2.5e-3, 10.0),
    "fashion": Budget(20),
    "quadrants": Budget(16, weight=10.0),
    "multimnist": Budget(
        16,
        1e-3,
        10.0,
        batch=32,
        limitation="Pictures generated from a string seldom show all of its digits, and in a "
        "picture of several digits one is often misread.",
    ),
    "faces": Budget(24, 2e-3, 10.0),
    "faces19": Budget(12, 1e-3, 10.0, batch=32),
    "vision": Budget(12, batch=32),
    "clipart": Budget(
        90,
        2e-3,
        10.0,
        limitation="There are few training pictures: from tags it generates blobs of suitable "
        "colours, and it predicts little but the most common tags.",
    ),
    "translation": Budget(
        14,
        2e-3,
        10.0,
        latents=128,
        limitation="There are few training texts, all from an office suite: it replaces a rare "
        "word by another, and a long sentence by one that begins similarly.",
    ),
    "views": Budget(120, 2e-3, latents=32),
    "celeba": Budget(10),
    "celeba19": Budget(10),
    "mirflickr": Budget(30),
}
