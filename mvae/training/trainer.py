"""The training loop: it yields progress, ends with the best on validation, and can be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.checkpoint import CheckpointError, ModelConfig, Training, load_tensors, save_tensors
from mvae.data.missing import with_missing
from mvae.models.base import MultimodalModel
from mvae.models.objectives import Objective
from mvae.training.checks import cause, usable, warn_of_scales

__all__ = ["Progress", "Trainer"]

#: The state of an unfinished run, beside the checkpoint that it will become.
RESUME = "resume.safetensors"


@dataclass(frozen=True)
class Progress:
    """What a caller can show after each epoch; likelihoods in nats a sample.

    Args:
        epoch: how many are done.
        epochs: how many there will be.
        loss: mean training loss of the epoch, with its λ and its annealed β.
        score: of the validation split, usually its ELBO with λ = 1 and β = 1.
        best: whether this is the best score so far.
        beta: at the end of the epoch.
        seconds: spent so far, earlier runs included.
    """

    epoch: int
    epochs: int
    loss: float
    score: float
    best: bool
    beta: float
    seconds: float


def rate_factor(progress: float) -> float:
    """Learning rate relative to its start, by the fraction of training that is done."""
    return 1.0 if progress < 0.7 else 0.1 if progress < 0.9 else 0.03


@torch.no_grad()
def validation_score(
    objective: Objective, model: MultimodalModel, valid: Batch, batch: int = 5000
) -> float:
    """Mean score of complete samples, the same draws every time so that epochs compare.

    In few large batches: a Boltzmann machine estimates log Z anew for each. Texts take much memory,
    a number for each token of the vocabulary at each place.
    """
    if any(m.is_text for m in model.modalities):
        batch //= 10
    generator = torch.Generator().manual_seed(0)
    learning = model.training
    model.eval()
    parts = [
        objective.score(model, valid[slice(i, i + batch)], generator)
        for i in range(0, len(valid), batch)
    ]
    model.train(learning)
    return torch.cat(parts).mean().item()


def optimisers(model: MultimodalModel, settings: Training) -> list[torch.optim.Optimizer]:
    """Give networks to Adam, and the weights of an energy to stochastic gradient descent.

    The gradient of an energy is noisy with its chains; Adam would move weights by that noise as
    fast as by what the data say.
    """
    energy = model.energy_weights() if settings.energy_learning_rate else {}
    mine = {id(w) for weights in energy.values() for w in weights}
    networks = [w for w in model.parameters() if id(w) not in mine]
    found: list[torch.optim.Optimizer] = []
    if networks:
        found.append(torch.optim.Adam(networks, settings.learning_rate, fused=True))
    if settings.energy_learning_rate:
        groups = [{"params": w, "speed": speed} for speed, w in energy.items()]
        found.append(torch.optim.SGD(groups, settings.energy_learning_rate, momentum=0.5))
    return found


class Trainer:
    """Train a model; iterate over it for the progress, after which `model` is the best one.

    The data stay whole in memory and are indexed: small models starve behind a loader. The same
    configuration gives the same weights, interrupted or not, on the same machine with the same
    number of threads (`torch.get_num_threads`): sums split among more threads round otherwise.
    Samples without any modality are left out, with a warning, and so is pointed out a modality with
    a Gaussian likelihood whose scale is far from 1.

    Args:
        config: the model, its objective and its budget.
        data: the training split.
        valid: the validation split, whose score chooses the epoch that is kept.
        folder: where to keep the state after each epoch, and to go on from it; None keeps nothing.

    Raises:
        ValueError: if a split has no samples, or none with any modality.
        FloatingPointError: while iterating, if the loss is no longer finite; it says which modality
            is the likely cause.
        CheckpointError: if the folder keeps an unfinished run with other settings.
    """

    def __init__(
        self, config: ModelConfig, data: Batch, valid: Batch, folder: Path | None = None
    ) -> None:
        self.config, self.folder = config, folder
        self.data, self.valid = data, usable(valid, "validation")
        for m in config.modalities if config.training.missing else ():
            if m.is_annotation:
                share, seed = config.training.missing, config.training.seed
                self.data = with_missing(self.data, m.name, share, seed)
        self.data = usable(self.data, "training")
        warn_of_scales(config.modalities, self.data)
        torch.manual_seed(config.training.seed)
        self.generator = torch.Generator().manual_seed(config.training.seed)
        self.model = config.build()
        self.optimisers = optimisers(self.model, config.training)
        self.epoch, self.seconds = 0, 0.0
        self.score = self.best_score = -float("inf")
        self.best: dict[str, Tensor] = {}
        self.history: list[tuple[float, ...]] = []
        if folder is not None and (folder / RESUME).exists():
            self._restore(load_tensors(folder / RESUME))

    def __iter__(self) -> Iterator[Progress]:
        """Run the epochs that are left, yielding after each; then load the best weights."""
        # Denormal numbers make the first steps up to twice as slow.
        torch.set_flush_denormal(True)
        epochs = self.config.training.epochs
        while self.epoch < epochs:
            started = time.monotonic()
            loss, beta = self._run_epoch()
            self.score = validation_score(self.config.objective, self.model, self.valid)
            if not math.isfinite(self.score):
                raise self._not_finite("validation score", self.score, self.valid)
            self.epoch, self.seconds = self.epoch + 1, self.seconds + time.monotonic() - started
            counts = self.epoch >= self.config.objective.settled * epochs
            if best := counts and self.score > self.best_score:
                self.best_score = self.score
                self.best = {n: w.clone() for n, w in self.model.state_dict().items()}
            self.history.append((self.epoch, loss, self.score, beta, self.seconds))
            if self.folder is not None:
                save_tensors(self.folder / RESUME, self._state())
            yield Progress(self.epoch, epochs, loss, self.score, best, beta, self.seconds)
        self.model.load_state_dict(self.best)

    def _not_finite(self, what: str, value: float, batch: Batch) -> FloatingPointError:
        objective: Objective = self.config.objective

        def loss(part: Batch) -> Tensor:
            return objective(self.model, part, 1.0, self.generator)

        why = cause(self.config.modalities, batch, loss, self.config.training.learning_rate)
        return FloatingPointError(f"The {what} is {value} in epoch {self.epoch + 1}. {why}")

    def _run_epoch(self) -> tuple[float, float]:
        """Train for one epoch; return its mean loss and its last β."""
        settings, loss_sum, beta = self.config.training, torch.zeros(()), 1.0
        objective: Objective = self.config.objective
        order = torch.randperm(len(self.data), generator=self.generator)
        batches = order.split(settings.batch)
        total = settings.epochs * len(batches)
        for step, index in enumerate(batches, self.epoch * len(batches)):
            beta = min(1.0, (step + 1) / max(settings.warmup * total, 1.0))
            for optimiser in self.optimisers:
                for group in optimiser.param_groups:
                    rate = optimiser.defaults["lr"] * group.get("speed", 1.0)
                    group["lr"] = rate * rate_factor(step / total)
            batch = self.data[index]
            loss = objective(self.model, batch, beta, self.generator, step / total)
            if not loss.isfinite():
                raise self._not_finite("loss", loss.item(), batch)
            self.model.zero_grad()
            loss.backward()
            for optimiser in self.optimisers:
                optimiser.step()
            loss_sum += loss.detach() * len(index) / len(self.data)
        return loss_sum.item(), beta

    def _state(self) -> dict[str, Tensor]:
        """Return everything that a resumed run needs to go on as if it had never stopped."""
        numbers = [self.epoch, self.seconds, self.score, self.best_score]
        tensors = {f"model/{name}": w for name, w in self.model.state_dict().items()}
        tensors |= {f"best/{name}": w for name, w in self.best.items()}
        for number, optimiser in enumerate(self.optimisers):
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"moments/{number}/{index}/{n}": w for n, w in moments.items()}
        tensors["config"] = self._description()
        tensors["generator"] = self.generator.get_state()
        tensors["layers"] = torch.get_rng_state()  # of what layers draw by themselves
        tensors["history"] = torch.tensor(self.history, dtype=torch.float64)
        tensors["numbers"] = torch.tensor(numbers, dtype=torch.float64)
        return tensors

    def _description(self) -> Tensor:
        """Return the configuration as bytes, by which a state tells whose it is."""
        return torch.frombuffer(
            bytearray(self.config.model_dump_json().encode()), dtype=torch.uint8
        )

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        if not torch.equal(tensors.get("config", torch.empty(0)), self._description()):
            raise CheckpointError(
                f"An unfinished run with other settings is kept in {RESUME} of this checkpoint; "
                "train with its settings to finish it, or delete the file to begin anew."
            )

        def part(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): w for n, w in tensors.items() if n.startswith(prefix)}

        self.model.load_state_dict(part("model/"))
        self.best = part("best/")
        for number, optimiser in enumerate(self.optimisers):
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in part(f"moments/{number}/").items():
                index, moment = name.split("/")
                moments.setdefault(int(index), {})[moment] = value
            optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["layers"])
        epoch, self.seconds, self.score, self.best_score = tensors["numbers"].tolist()
        self.epoch = int(epoch)
        self.history = [(int(row[0]), *row[1:]) for row in tensors["history"].tolist()]
