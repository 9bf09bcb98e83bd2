"""Everything that metrics.json holds, computed on the test split with its protocol beside it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from mvae.checkpoint import CHECKPOINTS, load_model, sha256, write_json
from mvae.data import DATASETS
from mvae.evaluation.classifier import FILE, classifier_of
from mvae.evaluation.measures import OTHERS, Likelihoods, Measure, Subject, estimates
from mvae.evaluation.measures.measure import costly
from mvae.evaluation.paired import keep_values, paired_errors
from mvae.evaluation.work import WORKING, Step, Work
from mvae.modality import Batch

__all__ = ["REFERENCE", "Done", "evaluate"]

#: The model that others are compared with on the same samples.
REFERENCE = "mvae"
#: Test samples whose log-likelihood is estimated, the same for all models of a data set; and where
#: there are more than so many subsets, or a draw takes long to decode.
SCORED, SUBSETS, FEWER = 1000, 3, 250


@dataclass(frozen=True)
class Done:
    """How far an evaluation is.

    Args:
        what: was done last.
        size: of what was done since the last report, or before this run, in thousand latents.
        total: of all that there is to do.
    """

    what: str
    size: int
    total: int


def evaluate(
    dataset: str,
    name: str,
    n: int | None = None,
    k: int = 1000,
    seed: int = 0,
    root: Path = CHECKPOINTS,
) -> Iterator[Done]:
    """Measure a checkpoint on the test split and write its metrics.json; yield what is done.

    What is computed is kept beside the checkpoint at once: interrupted, the next call goes on.
    Log-likelihoods are compared with those of the reference, which are computed if need be; and
    every figure that ranks models with those of all models that were evaluated here before.

    Args:
        dataset: name of the data set.
        name: name of the model.
        n: test samples whose log-likelihood is estimated; None for 1,000, or 250 where there are
            many subsets or a draw takes long to decode.
        k: importance draws a sample.
        seed: of all draws; two models with the same seed see the same noise.
        root: the folder of checkpoints.

    Raises:
        CheckpointError: if a checkpoint is missing or damaged, or the classifier is damaged.
        DatasetError: if the raw data are not there.
    """
    subject = subject_of(dataset, name, n, k, seed, root)
    work = work_of(subject, dataset, name, root)
    todo = [(subject, work, step) for m in (Likelihoods(), *OTHERS) for step in m.steps(subject)]
    reference = None
    compared = name != REFERENCE and any(Likelihoods().steps(subject))
    if compared and (root / dataset / REFERENCE / "weights.safetensors").exists():
        model, config = load_model(dataset, REFERENCE, root)
        reference = replace(subject, model=model, config=config)
        theirs = work_of(reference, dataset, REFERENCE, root)
        todo += [(reference, theirs, step) for step in Likelihoods().steps(reference)]
    yield from run(todo, seed)

    above = (REFERENCE, estimates(reference, theirs)) if reference else None
    measures: tuple[Measure, ...] = (Likelihoods(above), *OTHERS)
    test: dict[str, Any] = {}
    protocol: dict[str, str | int | float] = {"split": "test", "n": len(subject.test), "seed": seed}
    for measure in measures:
        test |= measure.figures(subject, work)
        protocol |= measure.protocol(subject)
    if reference and "loglik_above" in test:
        version = sha256(root / dataset / REFERENCE / "weights.safetensors")
        test["loglik_above"][REFERENCE]["weights_sha256"] = version
    protocol |= {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "version": torch.__version__.split("+")[0],
        "weights_sha256": sha256(root / dataset / name / "weights.safetensors"),
        "command": f"python -m mvae evaluate {dataset}/{name} --n {subject.n} --k {k} "
        f"--seed {seed}",
    }
    values = keep_values(root / dataset / name, test)
    test |= paired_errors(dataset, name, values, root)
    write_json(root / dataset / name / "metrics.json", {"protocol": protocol, "test": test})


def run(todo: list[tuple[Subject, Work, Step]], seed: int) -> Iterator[Done]:
    """Run the steps that were not done before."""
    total = sum(step.size for _, _, step in todo)
    before = sum(step.size for _, work, step in todo if work.has(step))
    yield Done("what was done before", before, total)
    for _, work, step in todo:
        if not work.has(step):
            work.do(step, seed)
            yield Done(step.what, step.size, total)


def subject_of(dataset: str, name: str, n: int | None, k: int, seed: int, root: Path) -> Subject:
    """Load a model and what it is measured on."""
    model, config = load_model(dataset, name, root)
    source = DATASETS[dataset]
    test = source.load("test", False)
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    judged = (root / dataset / FILE).exists()
    many = 2 ** len(config.modalities) - 1 > SUBSETS
    some = min(FEWER if many or costly(config.modalities) else SCORED, len(test))

    @cache
    def train() -> Batch:
        return source.load("train", False)

    return Subject(
        model=model,
        config=config,
        test=test[order],
        train=train,
        classifier=classifier_of(dataset, config.modalities, root) if judged else None,
        n=some if n is None else min(n, len(test)),
        k=k,
        seed=seed,
    )


def work_of(subject: Subject, dataset: str, name: str, root: Path) -> Work:
    """Give what was computed before with the same weights and the same protocol."""
    folder = root / dataset / name
    settings: dict[str, str | int | float] = {
        "weights": sha256(folder / "weights.safetensors"),
        "seed": subject.seed,
        "samples": len(subject.test),
    }
    for measure in (Likelihoods(), *OTHERS):
        settings |= measure.protocol(subject)
    settings.pop("n_loglik", None)  # more samples are more parts
    return Work(folder / WORKING, settings)
