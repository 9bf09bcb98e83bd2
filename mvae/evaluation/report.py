"""Everything that metrics.json holds, computed on the test split with its protocol beside it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mvae.checkpoint import CHECKPOINTS, load_model, sha256, write_json
from mvae.data import DATASETS
from mvae.evaluation.classifier import classifier_of
from mvae.evaluation.cost import decoder_evaluations
from mvae.evaluation.generation import label_accuracy, label_to_picture
from mvae.evaluation.likelihood import ALPHA, TEMPERATURES, log_likelihood
from mvae.gaussian import conflict
from mvae.modality import Batch
from mvae.model import DecodingModel, ExpertModel, LatentModel, MultimodalModel
from mvae.objective import elbo
from mvae.pictures import assemble

__all__ = ["REFERENCE", "evaluate", "subsets_of"]

#: The model that others are compared with on the same images.
REFERENCE = "mvae"
#: Percentiles of conflict that are stored: 0, ½, 1, … 100 %.
QUANTILES = 201
#: Draws by which a label is inferred; and chains, where each takes a Gibbs sampler to run.
DRAWS, CHAINS = 64, 4


def subsets_of(names: tuple[str, ...], smallest: int = 0) -> list[tuple[str, ...]]:
    """List all subsets of the modalities, small ones first, in the order of the model.

    Example:
        >>> subsets_of(("image", "label"), smallest=1)
        [('image',), ('label',), ('image', 'label')]
    """
    return [s for n in range(smallest, len(names) + 1) for s in combinations(names, n)]


def figure(values: Tensor) -> dict[str, float]:
    """Give the mean over samples, its standard error and their number."""
    flat = values.double().flatten()
    se = flat.std().item() / len(flat) ** 0.5
    return {"mean": round(flat.mean().item(), 4), "se": round(se, 4), "n": len(flat)}


@torch.no_grad()
def conflict_quantiles(model: ExpertModel, batch: Batch) -> dict[str, list[float]]:
    """Percentiles of the conflict gauge over matched samples, for every subset of two or more."""
    subsets = subsets_of(batch.names, smallest=2)
    experts = model.experts(batch)
    quantiles = {}
    for subset in subsets:
        gauge = conflict(experts, model.product(experts, batch.mask([subset])[0]))
        points = gauge.double().quantile(torch.linspace(0, 1, QUANTILES, dtype=torch.float64))
        quantiles["+".join(subset)] = [round(point, 3) for point in points.tolist()]
    return quantiles


@torch.no_grad()
def likelihoods(
    dataset: str,
    model: MultimodalModel,
    test: Batch,
    chosen: Batch,
    k: int,
    seed: int,
    root: Path,
) -> dict[str, Any]:
    """Estimate log p of all modalities, and how far it is above the reference's."""
    everything = "+".join(test.names)
    result: dict[str, Any] = {}
    if isinstance(model, LatentModel) and not model.cannot(test.names, test.names[0]):
        result["elbo"] = {everything: figure(elbo(model, test, generator(seed)))}
    joint = log_likelihood(model, chosen, k, generator(seed))
    result["loglik"] = {
        everything: figure(joint.value) | {"k_hat_over_0.7": int((joint.k_hat > 0.7).sum())}
    }
    path = root / dataset / REFERENCE / "weights.safetensors"
    if path.exists():
        values = values_of_reference(dataset, sha256(path), len(chosen), k, seed, root)
        difference = joint.value - values
        if difference.any():
            result["loglik_above"] = {
                REFERENCE: {everything: figure(difference), "weights_sha256": sha256(path)}
            }
    return result


@lru_cache(maxsize=3)
def values_of_reference(
    dataset: str, version: str, n: int, k: int, seed: int, root: Path
) -> Tensor:
    """Estimate log p of the reference once for all models that are compared with it, ``(n,)``."""
    other, _ = load_model(dataset, REFERENCE, root)
    chosen = scored(DATASETS[dataset].load("test", False), n, seed)
    return log_likelihood(other, chosen, k, generator(seed)).value


def scored(test: Batch, n: int, seed: int) -> Batch:
    """Take the test samples whose log-likelihood is estimated, the same for every model."""
    return test[torch.randperm(len(test), generator=generator(seed))[:n]]


def generator(seed: int) -> torch.Generator:
    """Begin the draws anew: two models with the same seed see the same noise."""
    return torch.Generator().manual_seed(seed)


def estimator(model: MultimodalModel) -> str:
    """Say how log p was estimated."""
    if model.no_likelihood:
        return model.no_likelihood
    if isinstance(model, LatentModel):
        return f"(1-α)·q(z|X_S) + α·p(z), α = {ALPHA}"
    return f"K/10 annealed runs of {TEMPERATURES:,} temperatures; log p tends to be too high"


def evaluate(
    dataset: str,
    name: str,
    n: int = 1000,
    k: int = 1000,
    seed: int = 0,
    root: Path = CHECKPOINTS,
) -> Iterator[str]:
    """Measure a checkpoint on the test split and write its metrics.json; yield what is done.

    Args:
        dataset: name of the data set.
        name: name of the model.
        n: test samples whose log-likelihood is estimated (the others take all of the split).
        k: importance draws a sample.
        seed: of all draws; two models with the same seed see the same noise.
        root: the folder of checkpoints.

    Raises:
        CheckpointError: if a checkpoint or the classifier is missing or damaged.
        DatasetError: if the raw data are not there.
    """
    model, config = load_model(dataset, name, root)
    test = DATASETS[dataset].load("test", False)
    label = next(m for m in config.modalities if m.kind == "label")
    images = tuple(m.name for m in config.modalities if m.kind == "image")
    chosen = scored(test, n, seed)

    result: dict[str, Any] = {}
    if isinstance(model, ExpertModel):
        result["conflict"] = conflict_quantiles(model, test)
        yield "conflict"

    result["decoder_evaluations"] = decoder_evaluations(config, chosen[slice(0, 8)])
    if not model.no_likelihood:
        result |= likelihoods(dataset, model, test, chosen, k, seed, root)
        yield "likelihoods"

    # A Gibbs sampler takes hundreds of steps where a network takes one.
    named, draws = (test, DRAWS) if isinstance(model, DecodingModel) else (chosen, CHAINS)
    accuracy, by_number = {}, {}
    for count in range(len(images) + 1):
        hits = []
        for evidence in combinations(images, count):
            if not model.cannot(evidence, label.name):
                hits.append(label_accuracy(model, named, evidence, label.name, draws, seed))
                if evidence:
                    accuracy[f"{'+'.join(evidence)}->{label.name}"] = figure(hits[-1])
        if hits:
            # Several subsets share the samples, so the standard error is over samples.
            by_number[str(count)] = figure(torch.stack(hits).mean(0))
    result["accuracy"] = accuracy
    result["accuracy_by_number"] = by_number
    yield "accuracy"

    classifier = classifier_of(dataset, config.modalities, root)
    real = classifier.name(assemble(config.modalities, test.values)) == test.values[label.name]
    result["classifier_accuracy"] = figure(real.float())
    if not any(model.cannot((label.name,), name) for name in images):
        generation = label_to_picture(model, test, label.name, classifier, seed=seed)
        target = f"{label.name}->{'+'.join(images)}"
        result["coherence"] = {target: figure(generation.coherent)}
        result["diversity"] = {target: figure(generation.distance)}
    yield "generation"

    protocol = {
        "split": "test",
        "n": len(test),
        "n_loglik": len(chosen),
        "seed": seed,
        "K": k,
        "proposal": estimator(model),
        "accuracy": f"argmax of E p(label|hidden), {draws} draws a sample",
        "n_accuracy": len(named),
        "coherence": "100 draws a label, pixel means, named by a separate classifier",
        "diversity": "mean pairwise pixel distance within a label over that of 100 real images",
        "conflict": f"{QUANTILES} evenly spaced quantiles over matched test samples",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "version": torch.__version__.split("+")[0],
        "weights_sha256": sha256(root / dataset / name / "weights.safetensors"),
        "command": f"python -m mvae evaluate {dataset}/{name} --n {n} --k {k} --seed {seed}",
    }
    write_json(root / dataset / name / "metrics.json", {"protocol": protocol, "test": result})
