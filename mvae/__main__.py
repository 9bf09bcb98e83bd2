"""The command line: ``python -m mvae``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from pydantic import ValidationError
from tqdm import tqdm

from mvae.checkpoint import (
    CHECKPOINTS,
    CheckpointError,
    ModelConfig,
    load_metrics,
    load_model,
    load_samples,
    save_model,
    write_atomically,
)
from mvae.data import DATASETS, DatasetError, data_folder
from mvae.embedding import write_map
from mvae.evaluation.classifier import train_classifier
from mvae.evaluation.likelihood import FEWEST, log_likelihood
from mvae.evaluation.report import evaluate as evaluate_checkpoint
from mvae.inference import Belief, believe, conflict_percentile
from mvae.model import ExpertModel
from mvae.objective import Covering
from mvae.recipes import RECIPES, config_for
from mvae.samples import write_samples
from mvae.training import RESUME, Trainer

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train, evaluate and question multimodal variational autoencoders.",
)

#: Validation samples and draws by which settings are chosen.
CHOICE_SAMPLES, CHOICE_DRAWS = 1000, 100

DatasetName = Annotated[str, typer.Argument(help=f"One of {', '.join(DATASETS)}.")]
CheckpointName = Annotated[str, typer.Argument(help="As dataset/model, e.g. mnist/mvae-cover.")]
Root = Annotated[Path, typer.Option(help="Folder of the checkpoints.")]


def fail(message: object) -> typer.Exit:
    """Print one sentence and end with status 1."""
    typer.echo(str(message), err=True)
    return typer.Exit(1)


def known_dataset(name: str) -> str:
    """Pass on the name of a data set, or end with a sentence."""
    if name not in DATASETS:
        raise fail(f"No data set is called {name!r}. There are: {', '.join(DATASETS)}.")
    return name


def split_checkpoint(checkpoint: str) -> tuple[str, str]:
    """Split ``dataset/model``."""
    dataset, slash, model = checkpoint.partition("/")
    if not slash:
        raise fail(
            f"Write a checkpoint as dataset/model, e.g. mnist/mvae-cover, not {checkpoint!r}."
        )
    return dataset, model


@app.command(
    epilog="Example: python -m mvae train mnist --model mvae-cover; "
    "python -m mvae train mnist --model mvae --label-weight 50 --epochs 12 --root trial"
)
def train(
    dataset: DatasetName,
    model: Annotated[str, typer.Option(help=f"One of {', '.join(RECIPES)}, classifier.")],
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    label_weight: Annotated[float | None, typer.Option(help="λ of labels, instead.")] = None,
    gamma: Annotated[float | None, typer.Option(help="γ of a covering objective, instead.")] = None,
    kappa: Annotated[float | None, typer.Option(help="κ of a covering objective, instead.")] = None,
    rho: Annotated[float | None, typer.Option(help="ρ of a covering objective, instead.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and draws.")] = 0,
    threads: Annotated[int | None, typer.Option(help="CPU threads; default: all cores.")] = None,
    root: Root = CHECKPOINTS,
) -> None:
    """Train a model of a data set; an interrupted run goes on where it was."""
    if threads:
        torch.set_num_threads(threads)
    known_dataset(dataset)
    try:
        if model == "classifier":
            accuracy = train_classifier(dataset, root / dataset / "classifier.safetensors")
            typer.echo(f"validation accuracy: {accuracy:.4f}")
            return
        if model not in RECIPES:
            raise fail(
                f"No recipe is called {model!r}. There are: {', '.join(RECIPES)}, classifier."
            )
        config = config_for(dataset, model)
        training = {"seed": seed} | ({} if epochs is None else {"epochs": epochs})
        objective = {
            name: value
            for name, value in (("gamma", gamma), ("kappa", kappa), ("rho", rho))
            if value is not None
        }
        if objective and not isinstance(config.objective, Covering):
            raise fail(f"{model} is not trained with a covering objective: it has no γ, κ or ρ.")
        config = config.model_copy(
            update={
                "training": config.training.model_copy(update=training),
                "objective": config.objective.model_copy(update=objective),
                "modalities": tuple(
                    m.model_copy(update={"weight": label_weight})
                    if label_weight is not None and m.kind == "label"
                    else m
                    for m in config.modalities
                ),
            }
        )
        config = ModelConfig.model_validate(config.model_dump())
        source = DATASETS[dataset]
        data, valid = source.load("train", False), source.load("valid", False)
        folder = root / dataset / model
        folder.mkdir(parents=True, exist_ok=True)
        trainer = Trainer(config, data, valid, folder)
        with tqdm(total=config.training.epochs, initial=trainer.epoch, unit="epoch") as bar:
            for progress in trainer:
                bar.update()
                bar.set_postfix(
                    loss=f"{progress.loss:.2f}",
                    score=f"{progress.score:.2f}",
                    best=f"{trainer.best_score:.2f}",
                )
    except ValidationError as error:
        first = error.errors()[0]
        raise fail(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    except (DatasetError, CheckpointError, FloatingPointError) as error:
        raise fail(error) from None
    save_model(folder, config, trainer.best)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("epoch", "loss", "validation_score", "beta", "seconds"))
    rows.writerows(trainer.history)
    write_atomically(folder / "history.csv", table.getvalue().encode())
    (folder / RESUME).unlink(missing_ok=True)

    best, _ = load_model(dataset, model, root)
    if best.no_likelihood:
        typer.echo(f"best validation score: {trainer.best_score:.2f}")
        return
    generator = torch.Generator().manual_seed(0)
    chosen = valid[torch.randperm(len(valid), generator=generator)[:CHOICE_SAMPLES]]
    joint = log_likelihood(best, chosen, CHOICE_DRAWS, generator)
    typer.echo(
        f"validation joint log p: {joint.value.mean():.2f} "
        f"(K = {CHOICE_DRAWS}, {len(chosen)} samples)"
    )


@app.command(epilog="Example: python -m mvae evaluate mnist/mvae-cover")
def evaluate(
    checkpoint: CheckpointName,
    n: Annotated[int, typer.Option(min=2, help="Test samples scored by log-likelihood.")] = 1000,
    k: Annotated[int, typer.Option(min=FEWEST, help="Importance draws a sample.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
    root: Root = CHECKPOINTS,
) -> None:
    """Measure a checkpoint on the test split and write its metrics.json."""
    dataset, model = split_checkpoint(checkpoint)
    try:
        for done in tqdm(evaluate_checkpoint(dataset, model, n, k, seed, root), unit="part"):
            tqdm.write(f"{done}: done")
    except (DatasetError, CheckpointError) as error:
        raise fail(error) from None
    typer.echo((root / dataset / model / "metrics.json").read_text("utf-8"))


@app.command("map", epilog="Example: python -m mvae map mnist/mvae-cover")
def map_(
    checkpoint: CheckpointName,
    seed: Annotated[int, typer.Option(help="Of the layout.")] = 0,
    root: Root = CHECKPOINTS,
) -> None:
    """Lay the bundled examples' beliefs out by UMAP and write the checkpoint's map.safetensors."""
    dataset, model = split_checkpoint(checkpoint)
    try:
        points = write_map(dataset, model, root, seed)
    except CheckpointError as error:
        raise fail(error) from None
    typer.echo(f"wrote {dataset}/{model}/map.safetensors: {points:,} points")


@app.command(
    epilog="Example: python -m mvae infer mnist/mvae-cover --sample 3 --supply image,label --json"
)
def infer(
    checkpoint: CheckpointName,
    sample: Annotated[int, typer.Option(help="Which of the bundled test examples.")] = 0,
    supply: Annotated[
        str, typer.Option(help="Modalities, separated by commas, in order; empty for the prior.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
    root: Root = CHECKPOINTS,
) -> None:
    """Show what a model believes and generates, given some modalities of a test example."""
    dataset, name = split_checkpoint(checkpoint)
    evidence = [part.strip() for part in supply.split(",") if part.strip()]
    try:
        model, _ = load_model(dataset, name, root)
        samples = load_samples(dataset, model.modalities, root)
        if not 0 <= sample < len(samples):
            raise fail(f"There is no example {sample}: they are numbered 0 to {len(samples) - 1}.")
        if not isinstance(model, ExpertModel):
            raise fail(f"{checkpoint} has no belief of this kind. {model.no_experts}")
        belief = believe(model, samples[slice(sample, sample + 1)], evidence, seed=seed)
        metrics = load_metrics(dataset, name, root)
    except (CheckpointError, ValueError) as error:
        raise fail(error) from None
    names = [m.name for m in model.modalities]
    quantiles = metrics.test.get("conflict", {}) if metrics else {}
    summary = as_dict(belief) | {
        "conflict_percentile": conflict_percentile(belief, quantiles, names)
    }
    if as_json:
        typer.echo(json.dumps(summary))
        return
    given = " and ".join(evidence) or "nothing"
    typer.echo(f"{checkpoint}, test example {sample}, given {given}")
    typer.echo(f"entropy of the belief: {belief.entropy:.3f} nats")
    for step, nats in enumerate(belief.sharpness):
        added = f"+ {evidence[step - 1]}" if step else "prior"
        typer.echo(f"  {added:<16}{nats:8.3f} nats sharper than the prior")
    place = summary["conflict_percentile"]
    if place is not None:
        typer.echo(f"conflict: {belief.conflict:.2f}; {place:.1f} % of matched samples have less")
    typer.echo("most informative dimensions: mean, standard deviation, shares of precision")
    for d in belief.informative(8):
        shares = "  ".join(f"{who} {share[d]:.3f}" for who, share in belief.shares.items())
        q = belief.posterior
        typer.echo(f"  z{d:<4}{q.mean[d]:8.3f} ±{q.std[d]:6.3f}   {shares}")
    for m in model.modalities:
        x = belief.expected[m.name]
        if m.kind == "label":
            order = x.argsort(descending=True)[:3]
            likely = ", ".join(f"{m.category(int(c))} {x[c]:.1%}" for c in order)
            typer.echo(f"generated {m.name}: {likely}")
        else:
            typer.echo(
                f"generated {m.name}: mean of {tuple(x.shape)}, average value {x.mean():.3f}"
            )


def as_dict(belief: Belief) -> dict[str, object]:
    """Give a belief as plain lists and numbers."""
    return {
        "evidence": list(belief.evidence),
        "experts": {
            name: {"mean": q.mean.tolist(), "logvar": q.logvar.tolist()}
            for name, q in belief.experts.items()
        },
        "posterior": {
            "mean": belief.posterior.mean.tolist(),
            "logvar": belief.posterior.logvar.tolist(),
        },
        "entropy": belief.entropy,
        "sharpness": list(belief.sharpness),
        "shares": {name: share.tolist() for name, share in belief.shares.items()},
        "conflict": belief.conflict,
        "generated": {name: x.tolist() for name, x in belief.expected.items()},
    }


@app.command(
    epilog="Example: python -m mvae data mnist; python -m mvae data quadrants --write-samples"
)
def data(
    dataset: Annotated[str | None, typer.Argument(help="Leave out for all.")] = None,
    write: Annotated[
        bool, typer.Option("--write-samples", help="Write the bundled test examples.")
    ] = False,
    root: Root = CHECKPOINTS,
) -> None:
    """Say where a data set lies and how large it is; fetch it if it is not there."""
    typer.echo(f"data folder: {data_folder()} (set MVAE_DATA to change it)")
    for name in [known_dataset(dataset)] if dataset else DATASETS:
        source = DATASETS[name]
        try:
            counts = {split: len(source.load(split, True)) for split in ("train", "valid", "test")}
        except DatasetError as error:
            raise fail(error) from None
        parts = ", ".join(f"{count:,} {split}" for split, count in counts.items())
        modalities = " · ".join(m.name for m in source.modalities)
        typer.echo(f"{name}: {source.title}; {modalities}; {parts}\n  {source.source}")
        if write:
            typer.echo(f"  wrote {write_samples(name, root)} examples")


if __name__ == "__main__":
    app()
