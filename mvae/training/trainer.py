"""The training loop: it yields progress, keeps the best epoch on validation, and can be resumed."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, Training
from mvae.data.missingness import with_missing
from mvae.files import CheckpointError, load_tensors, save_tensors
from mvae.models.base import MultimodalModel
from mvae.models.objectives import Objective
from mvae.training.checks import diagnose, drop_empty, warn_of_scales

__all__ = ["Progress", "Trainer"]

#: The file with the state of an unfinished run, in the folder of its future checkpoint.
RESUME = "resume.safetensors"


@dataclass(frozen=True)
class Progress:
    """What a caller can show after each epoch; loss and score are in nats per sample.

    Args:
        epoch: the number of completed epochs.
        epochs: the total number of epochs.
        loss: mean training loss of the epoch, with its λ and annealed β.
        score: score of the validation split, usually the ELBO with λ = 1 and β = 1.
        best: whether this is the best score so far.
        beta: β at the end of the epoch.
        seconds: training time so far, including interrupted runs.
    """

    epoch: int
    epochs: int
    loss: float
    score: float
    best: bool
    beta: float
    seconds: float


def learning_rate_factor(progress: float) -> float:
    """Return the learning rate relative to its initial value, given the progress from 0 to 1."""
    return 1.0 if progress < 0.7 else 0.1 if progress < 0.9 else 0.03


@torch.no_grad()
def validation_score(
    objective: Objective, model: MultimodalModel, valid: Batch, batch: int = 5000
) -> float:
    """Compute the mean score, with the same draws every time so that epochs can be compared.

    Batches are large and few, because a Boltzmann machine estimates log Z for each. For texts they
    are smaller, because the logits of every token at every position take much memory.
    """
    if any(m.is_text for m in model.modalities):
        batch //= 10
    generator = torch.Generator().manual_seed(0)
    was_training = model.training
    model.eval()
    scores = [
        objective.score(model, valid[slice(i, i + batch)], generator)
        for i in range(0, len(valid), batch)
    ]
    model.train(was_training)
    return torch.cat(scores).mean().item()


def optimisers(model: MultimodalModel, settings: Training) -> list[torch.optim.Optimizer]:
    """Return Adam for networks, and stochastic gradient descent for the weights of an energy.

    The gradient of an energy is noisy because it is estimated from chains; Adam, which normalises
    step sizes, would follow that noise as readily as the signal in the data.
    """
    energy = model.energy_weights() if settings.energy_learning_rate else []
    energy_ids = {id(w) for w in energy}
    networks = [w for w in model.parameters() if id(w) not in energy_ids]
    result: list[torch.optim.Optimizer] = []
    if networks:
        result.append(torch.optim.Adam(networks, settings.learning_rate, fused=True))
    if settings.energy_learning_rate:
        result.append(torch.optim.SGD(energy, settings.energy_learning_rate, momentum=0.5))
    return result


class Trainer:
    """Train a model: iterating yields progress, and then `model` has the best epoch's weights.

    All data are held in memory and indexed, since small models would wait for a data loader. The
    same configuration gives the same weights, interrupted or not, on the same machine with the same
    number of threads (`torch.get_num_threads`), on which the rounding of sums depends. Samples
    without any modality are left out, with a warning; there is also a warning for a modality with a
    Gaussian likelihood whose scale is far from 1.

    Args:
        config: the model, its objective and its budget.
        data: the training split.
        valid: the validation split, whose score determines the epoch that is kept.
        folder: where to save the state after each epoch, and resume from it; None saves nothing.

    Raises:
        ValueError: if a split has no samples, or none with any modality.
        FloatingPointError: while iterating, if the loss is no longer finite; the message names the
            modality that is the likely cause.
        CheckpointError: if the folder holds an unfinished run with other settings.
    """

    def __init__(
        self, config: ModelConfig, data: Batch, valid: Batch, folder: Path | None = None
    ) -> None:
        self.config, self.folder = config, folder
        self.data, self.valid = data, drop_empty(valid, "validation")
        for m in config.modalities if config.training.missing else ():
            if m.is_annotation:
                share, seed = config.training.missing, config.training.seed
                self.data = with_missing(self.data, m.name, share, seed)
        self.data = drop_empty(self.data, "training")
        warn_of_scales(config.modalities, self.data)
        torch.manual_seed(config.training.seed)
        self.generator = torch.Generator().manual_seed(config.training.seed)
        self.model = config.build()
        #: The model that is validated and kept: the one that is trained, or its average.
        self.kept = copy.deepcopy(self.model) if config.training.averaging else self.model
        self.optimisers = optimisers(self.model, config.training)
        self.epoch, self.seconds = 0, 0.0
        self.score = self.best_score = -float("inf")
        self.best: dict[str, Tensor] = {}
        self.history: list[tuple[float, ...]] = []
        if folder is not None and (folder / RESUME).exists():
            self._restore(load_tensors(folder / RESUME))

    def __iter__(self) -> Iterator[Progress]:
        """Run the remaining epochs, yielding after each; then load the best weights."""
        # Denormal numbers would make the first steps up to twice as slow.
        torch.set_flush_denormal(True)
        epochs = self.config.training.epochs
        while self.epoch < epochs:
            started = time.monotonic()
            loss, beta = self._run_epoch()
            self.score = validation_score(self.config.objective, self.kept, self.valid)
            if not math.isfinite(self.score):
                raise self._not_finite("validation score", self.score, self.valid)
            self.epoch, self.seconds = self.epoch + 1, self.seconds + time.monotonic() - started
            eligible = self.epoch >= self.config.objective.keep_after * epochs
            if best := eligible and self.score > self.best_score:
                self.best_score = self.score
                self.best = {n: w.clone() for n, w in self.kept.state_dict().items()}
            self.history.append((self.epoch, loss, self.score, beta, self.seconds))
            if self.folder is not None:
                save_tensors(self.folder / RESUME, self._state())
            yield Progress(self.epoch, epochs, loss, self.score, best, beta, self.seconds)
        self.model.load_state_dict(self.best)

    def _not_finite(self, what: str, value: float, batch: Batch) -> FloatingPointError:
        def loss(part: Batch) -> Tensor:
            return self.config.objective(self.model, part, 1.0, self.generator)

        cause = diagnose(self.config.modalities, batch, loss, self.config.training.learning_rate)
        return FloatingPointError(f"The {what} is {value} in epoch {self.epoch + 1}. {cause}")

    def _run_epoch(self) -> tuple[float, float]:
        """Train for one epoch; return its mean loss and its last β."""
        settings, loss_sum, beta = self.config.training, torch.zeros(()), 1.0
        objective = self.config.objective
        order = torch.randperm(len(self.data), generator=self.generator)
        batches = order.split(settings.batch)
        total = settings.epochs * len(batches)
        for step, index in enumerate(batches, self.epoch * len(batches)):
            beta = min(1.0, (step + 1) / max(settings.warmup * total, 1.0))
            for optimiser in self.optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = optimiser.defaults["lr"] * learning_rate_factor(step / total)
            batch = self.data[index]
            loss = objective(self.model, batch, beta, self.generator, step / total)
            if not loss.isfinite():
                raise self._not_finite("loss", loss.item(), batch)
            self.model.zero_grad()
            loss.backward()
            for optimiser in self.optimisers:
                optimiser.step()
            if self.kept is not self.model:
                self._average()
            loss_sum += loss.detach() * len(index) / len(self.data)
        return loss_sum.item(), beta

    @torch.no_grad()
    def _average(self) -> None:
        """Move the average of the weights towards the weights of this step."""
        current = self.model.state_dict()
        for name, average in self.kept.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], 1 - self.config.training.averaging)
            else:  # states of chains and flags
                average.copy_(current[name])

    def _state(self) -> dict[str, Tensor]:
        """Return everything that a resumed run needs to continue as if it had never stopped."""
        numbers = [self.epoch, self.seconds, self.score, self.best_score]
        tensors = {f"model/{name}": w for name, w in self.model.state_dict().items()}
        if self.kept is not self.model:
            tensors |= {f"average/{name}": w for name, w in self.kept.state_dict().items()}
        tensors |= {f"best/{name}": w for name, w in self.best.items()}
        for number, optimiser in enumerate(self.optimisers):
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"moments/{number}/{index}/{n}": w for n, w in moments.items()}
        tensors["config"] = self._description()
        tensors["generator"] = self.generator.get_state()
        tensors["layers"] = torch.get_rng_state()  # used by layers with their own randomness
        tensors["history"] = torch.tensor(self.history, dtype=torch.float64)
        tensors["numbers"] = torch.tensor(numbers, dtype=torch.float64)
        return tensors

    def _description(self) -> Tensor:
        """Return the configuration as bytes, which identify the run that a state belongs to."""
        return torch.frombuffer(
            bytearray(self.config.model_dump_json().encode()), dtype=torch.uint8
        )

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        if not torch.equal(tensors.get("config", torch.empty(0)), self._description()):
            raise CheckpointError(
                f"{RESUME} in the folder of this checkpoint holds an unfinished run with other "
                "settings: train with those settings to finish it, or delete the file to start "
                "again."
            )

        def part(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): w for n, w in tensors.items() if n.startswith(prefix)}

        self.model.load_state_dict(part("model/"))
        if self.kept is not self.model:
            self.kept.load_state_dict(part("average/"))
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
