"""Budgets: what all models of a data set have in common, so that they can be compared."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUDGETS", "Budget"]


@dataclass(frozen=True)
class Budget:
    """What all models of a data set have in common; docs/training.md says how it was chosen.

    Args:
        epochs: passes over the training split.
        learning_rate: of Adam.
        weight: λ of labels, tags and texts, chosen on the validation split.
        latents: D.
        batch: samples a step.
        limitation: what no model does well on these data, in words.
    """

    epochs: int
    learning_rate: float = 1e-3
    weight: float = 1.0
    latents: int = 64
    batch: int = 128
    limitation: str = ""


#: By data set. `mvae` on MNIST after 20 epochs: validation joint log p of −73.3 at 2.5e-3, −76.5 at
#: 1e-3.
BUDGETS = {
    "mnist": Budget(20, 2.5e-3, 10.0),
    "fashion": Budget(20),
    "quadrants": Budget(16, weight=10.0),
    "multimnist": Budget(
        16,
        1e-3,
        10.0,
        batch=32,
        limitation="The pictures of a string seldom show all of its digits, and of several digits "
        "in a picture one is often misread.",
    ),
    "faces": Budget(24, 2e-3, 10.0),
    "faces19": Budget(12, 1e-3, 10.0, batch=32),
    "vision": Budget(12, batch=32),
    "clipart": Budget(
        90,
        2e-3,
        10.0,
        limitation="There are few pictures to learn from: from tags it generates blots of their "
        "colours, and it finds little but the commonest tags.",
    ),
    "translation": Budget(
        14,
        2e-3,
        10.0,
        latents=128,
        limitation="There are few texts to learn from, all of an office suite: of a rare word it "
        "makes another, of a long sentence one that begins alike.",
    ),
    "views": Budget(120, 2e-3, latents=32),
    "celeba": Budget(10),
    "celeba19": Budget(10),
    "mirflickr": Budget(30),
}
