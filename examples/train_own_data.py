"""Train an MVAE on data of one's own: the two halves of a digit, and its label.

    python -m examples.train_own_data

scikit-learn's digits stand for data that are already in memory. Half of the training labels are
missing. The trained model predicts the label from one half or both.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, Training
from mvae.modality import Modality
from mvae.models.objectives import Covering
from mvae.training.trainer import Trainer

LEFT = Modality(
    name="left", kind="image", shape=(1, 8, 4), likelihood="bernoulli-cross-entropy", hidden=(64,)
)
RIGHT = LEFT.model_copy(update={"name": "right"})
# λ = 10, as one label has far fewer nats than 64 pixels.
DIGIT = Modality(
    name="digit", kind="label", shape=(10,), likelihood="categorical", hidden=(32,), weight=10.0
)
MODALITIES = (LEFT, RIGHT, DIGIT)


def read_splits() -> tuple[Batch, Batch, Batch]:
    """Return the training, validation and test split: 1297, 200 and 300 samples."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16  # (B, 1, 8, 8)
    values = {"left": images[..., :4], "right": images[..., 4:], "digit": digits.target}
    everything = Batch.of(MODALITIES, values)
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))
    train, valid, test = (everything[rows] for rows in order.split([1297, 200, 300]))
    # What is missing is None, or, as here, false in the mask: nothing is imputed.
    present = train.present.clone()
    present[::2, train.names.index("digit")] = False
    return Batch(train.values, present), valid, test


def main() -> None:
    """Train, then condition on one half."""
    train, valid, test = read_splits()
    config = ModelConfig(
        dataset="digit-halves",
        model="mvae-cover",
        summary="An MVAE of the halves of a digit and its label.",
        limitations=("Half of its training labels were missing.",),
        latents=16,
        modalities=MODALITIES,
        objective=Covering(gamma=1.0, kappa=10.0, rho=1.0),
        training=Training(epochs=30, batch=64, learning_rate=2e-3),
    )
    trainer = Trainer(config, train, valid)  # with a folder, it goes on after an interruption
    for epoch in trainer:
        if epoch.epoch % 10 == 0:
            print(f"epoch {epoch.epoch}: loss {epoch.loss:.1f}, validation {epoch.score:.1f}")
    model = trainer.model.eval().requires_grad_(False)

    for evidence in (["left"], ["right"], ["left", "right"]):
        generated = model.generate(test.supply(evidence), draws=16)
        p = DIGIT.distribution.expected(generated["digit"])  # (draws, B, 10)
        predicted = p.mean(0).argmax(-1)
        accuracy = (predicted == test.values["digit"]).float().mean().item()
        print(f"accuracy of the digit given {' and '.join(evidence)}: {accuracy:.2f}")


if __name__ == "__main__":
    main()
