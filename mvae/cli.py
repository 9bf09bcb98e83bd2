"""The command line: ``python -m mvae``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import torch
import typer
from pydantic import ValidationError
from tqdm import tqdm

from mvae import __version__
from mvae.analysis.embedding import write_map
from mvae.analysis.inference import conflict_percentile
from mvae.analysis.inference import infer as infer_posterior
from mvae.analysis.posterior_summary import as_dict, summary_lines
from mvae.batch import Batch
from mvae.checkpoint import (
    ModelConfig,
    load_metrics,
    load_model,
    load_samples,
)
from mvae.cli_arguments import CheckpointName, DatasetName, Root, Seed, Threads, finite, one_of
from mvae.cli_errors import Commands, fail, lacking
from mvae.data import DATASETS, DatasetError, data_folder
from mvae.data.samples import write_samples
from mvae.evaluation.classifier import FILE, train_classifier
from mvae.evaluation.importance import MIN_DRAWS
from mvae.evaluation.report import MEASURES
from mvae.evaluation.report import evaluate as evaluate_checkpoint
from mvae.files import writing
from mvae.launch import missing_library
from mvae.launch import start as start_explorer
from mvae.models.base import ExpertModel
from mvae.models.objectives import Covering
from mvae.search_path import folder_of, writable_root, writing_beside
from mvae.training.recipes import RECIPES
from mvae.training.search import quality, with_weight
from mvae.training.search import search as search_weights
from mvae.training.weak_supervision import read_points
from mvae.training.weak_supervision import supervise as run_supervision
from mvae.training.zoo import ZOO, Run, state_of
from mvae.training.zoo import train as train_to_the_end

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def print_version(value: bool) -> None:
    """Print the version if it is asked for, and nothing else."""
    if value:
        typer.echo(f"mvae {__version__}")
        raise typer.Exit


@app.callback()
def start(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True),
    ] = False,
) -> None:
    """Train, evaluate and query multimodal variational autoencoders."""
    warnings.showwarning = warn  # type: ignore[assignment]  # it ignores all other arguments


def warn(message: Warning | str, *_: object) -> None:
    """Print only the message of a warning, without the line of code that raised it."""
    typer.echo(f"warning: {message}", err=True)


@app.command(
    "app",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: mvae app --port 8600 --server.address 0.0.0.0",
)
def start_app(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where the explorer is served.")
    ] = 8501,
) -> None:
    """Start the explorer in a browser; all further options are those of `streamlit run`."""
    if library := missing_library():
        raise fail(lacking(library, "app"), 1)
    start_explorer(["--server.port", str(port), *context.args])


@app.command(
    epilog="Example: python -m mvae train mnist --recipe mvae-cover; "
    "python -m mvae train mnist --recipe mvae --label-weight 50 --epochs 12 --root trial; "
    "python -m mvae train --recipe zoo"
)
def train(
    *,
    dataset: Annotated[
        str | None,
        typer.Argument(
            help=f"One of {', '.join(DATASETS)}; may be omitted only for the zoo.",
            callback=one_of("data set", DATASETS),
        ),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            "--model",
            help=f"One of {', '.join(RECIPES)}, classifier, or zoo for all models of the zoo.",
            callback=one_of("recipe", (*RECIPES, "classifier", "zoo")),
        ),
    ],
    epochs: Annotated[
        int | None, typer.Option(help="Number of epochs; default: the recipe's.")
    ] = None,
    label_weight: Annotated[
        float | None,
        typer.Option(callback=finite, help="λ of labels, tags and texts; default: the recipe's."),
    ] = None,
    gamma: Annotated[
        float | None,
        typer.Option(callback=finite, help="γ of a covering objective; default: the recipe's."),
    ] = None,
    kappa: Annotated[
        float | None,
        typer.Option(callback=finite, help="κ of a covering objective; default: the recipe's."),
    ] = None,
    rho: Annotated[
        float | None,
        typer.Option(callback=finite, help="ρ of a covering objective; default: the recipe's."),
    ] = None,
    seed: Seed = 0,
    threads: Threads = None,
    root: Root = None,
) -> None:
    """Train a model on a data set, or all missing models; an interrupted run is resumed."""
    if threads:
        torch.set_num_threads(threads)
    weights = {"label-weight": label_weight, "gamma": gamma, "kappa": kappa, "rho": rho}
    settings = {"epochs": epochs, "seed": seed or None, **weights}
    chosen = [name for name, value in settings.items() if value is not None]
    if recipe in ("zoo", "classifier") and chosen:
        raise fail(f"The {recipe} has its own settings: omit --{chosen[0]}.")
    if recipe == "zoo":
        make_zoo(dataset, root)
        return
    if dataset is None:
        raise fail(f"Specify a data set for {recipe}: {', '.join(DATASETS)}.")
    home = writable_root(root)
    if recipe == "classifier":
        with writing(home / dataset):
            accuracy = train_classifier(dataset, home / dataset / FILE)
        typer.echo(f"validation accuracy: {accuracy:.4f}")
        return
    run = Run(dataset, recipe, seed)
    config = run.config
    objective = {
        name: weights[name] for name in ("gamma", "kappa", "rho") if weights[name] is not None
    }
    if objective and not isinstance(config.objective, Covering):
        raise fail(f"{recipe} is not trained with a covering objective: it has no γ, κ or ρ.")
    training = {} if epochs is None else {"epochs": epochs}
    config = config.model_copy(
        update={
            "training": config.training.model_copy(update=training),
            "objective": config.objective.model_copy(update=objective),
        }
    )
    if label_weight is not None:
        config = with_weight(config, label_weight)
    try:
        config = ModelConfig.model_validate(config.model_dump())
    except ValidationError as error:
        first = error.errors()[0]
        raise fail(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    try:
        valid = train_with_bar(config, run, home)
    except ValueError as error:  # the data are unsuitable for training
        raise fail(error) from None
    criterion, value = quality(config, load_model(dataset, run.name, home)[0], valid)
    typer.echo(f"validation {criterion}: {value:.2f}")


def train_with_bar(config: ModelConfig, run: Run, root: Path) -> Batch:
    """Train with a progress bar; return the validation split."""
    config.build()  # fail before the data are read if it cannot be built
    source = DATASETS[run.dataset]
    data, valid = source.load("train", False), source.load("valid", False)
    best = -float("inf")
    with tqdm(total=config.training.epochs, unit="epoch", desc=f"{run.dataset}/{run.name}") as bar:
        for progress in train_to_the_end(config, data, valid, root / run.dataset / run.name):
            best = progress.score if progress.best else best
            bar.update(progress.epoch - bar.n)
            bar.set_postfix(loss=f"{progress.loss:.2f}", best=f"{best:.2f}")
    return valid


def evaluate_with_bar(
    dataset: str,
    model: str,
    n: int | None,
    k: int,
    seed: int,
    root: Path | None,
    only: Collection[str] = (),
) -> None:
    """Evaluate with a progress bar that shows the remaining time."""
    progress = evaluate_checkpoint(dataset, model, n, k, seed, root, only)
    start = next(progress)
    with tqdm(
        total=start.total,
        initial=start.size,
        desc=f"{dataset}/{model}",
        bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}",
    ) as bar:
        for done in progress:
            bar.set_postfix_str(done.step, refresh=False)
            bar.update(done.size)


def make_zoo(dataset: str | None, root: Path | None) -> None:
    """Train and evaluate the missing runs of the zoo, one after the other."""
    runs = [run for run in ZOO if dataset in (None, run.dataset)]
    if not runs:
        raise fail(f"The zoo has no model of {dataset}.")
    for number, run in enumerate(runs, 1):
        state = state_of(run, root)
        typer.echo(f"{number}/{len(runs)} {run.dataset}/{run.name}: {state}")
        if state == "missing":
            train_with_bar(run.config, run, writable_root(root))
        if state != "measured":
            # The same settings for all, so that models and seeds can be compared.
            evaluate_with_bar(run.dataset, run.name, None, 1000, 0, root)


@app.command(epilog="Example: python -m mvae search mnist --recipe jmvae")
def search(
    dataset: DatasetName,
    recipe: Annotated[
        str,
        typer.Option(help="The recipe to search λ for.", callback=one_of("recipe", RECIPES)),
    ],
    root: Root = None,
) -> None:
    """Train a recipe with each candidate value of λ, and keep the results in search.csv."""
    for trial in search_weights(dataset, recipe, root):
        typer.echo(
            f"{recipe}, λ = {trial.weight:g}: validation {trial.criterion} {trial.value:.2f} "
            f"after {trial.epochs} epochs"
        )


@app.command(epilog="Example: python -m mvae evaluate mnist/mvae-cover")
def evaluate(
    checkpoint: CheckpointName,
    n: Annotated[
        int | None, typer.Option(min=2, help="Number of test samples for log-likelihoods.")
    ] = None,
    k: Annotated[
        int, typer.Option(min=MIN_DRAWS, max=10**6, help="Importance draws per sample.")
    ] = 1000,
    seed: Seed = 0,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MEASURE",
            help="Compute only this measure and keep all other figures; may be repeated. "
            f"One of {', '.join(MEASURES)}.",
            callback=one_of("measure", MEASURES),
        ),
    ] = None,
    root: Root = None,
) -> None:
    """Evaluate a checkpoint on the test split and write metrics.json; resumes if interrupted."""
    dataset, _, model = checkpoint.partition("/")
    evaluate_with_bar(dataset, model, n, k, seed, root, only or ())
    typer.echo((folder_of(dataset, model, root) / "metrics.json").read_text("utf-8"))


@app.command(epilog="Example: python -m mvae supervise mnist --threads 1")
def supervise(dataset: DatasetName, threads: Threads = None, root: Root = None) -> None:
    """Train by several methods with few labels, and keep the accuracies in supervision.csv."""
    if threads:
        torch.set_num_threads(threads)
    home = writable_root(root)
    with tqdm(unit="run", desc=dataset) as bar:
        for point, bar.total in run_supervision(dataset, home):
            bar.update(len(read_points(home / dataset / "supervision.csv")) - bar.n)
            bar.set_postfix_str(f"{point.method}, {point.labels} labels: {point.accuracy:.3f}")


@app.command("map", epilog="Example: python -m mvae map mnist/mvae-cover")
def map_(checkpoint: CheckpointName, seed: Seed = 0, root: Root = None) -> None:
    """Embed the bundled examples' posterior means with UMAP and write map.safetensors."""
    dataset, _, model = checkpoint.partition("/")
    load_model(dataset, model, root)  # fail before a folder is made for a wrong name
    with writing_beside(dataset, model, root):
        points = write_map(dataset, model, root, seed)
    typer.echo(f"wrote {dataset}/{model}/map.safetensors: {points:,} points")


@app.command(
    epilog="Example: python -m mvae infer mnist/mvae-cover --sample 3 --supply image,label --json"
)
def infer(
    checkpoint: CheckpointName,
    sample: Annotated[int, typer.Option(help="Number of a bundled test example.")] = 0,
    supply: Annotated[
        str,
        typer.Option(help="Modalities to condition on, separated by commas; empty for the prior."),
    ] = "",
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
    root: Root = None,
) -> None:
    """Show a model's posterior and what it generates, given some modalities of a test example."""
    dataset, _, name = checkpoint.partition("/")
    evidence = [part.strip() for part in supply.split(",") if part.strip()]
    model, _ = load_model(dataset, name, root)
    samples = load_samples(dataset, model.modalities, root)
    if not 0 <= sample < len(samples):
        raise fail(f"There is no example {sample}: numbers are 0 to {len(samples) - 1}.")
    if not isinstance(model, ExpertModel):
        raise fail(f"{checkpoint} has no product-of-experts posterior. {model.no_experts}")
    try:
        inference = infer_posterior(model, samples[slice(sample, sample + 1)], evidence, seed=seed)
    except ValueError as error:
        raise fail(error) from None
    metrics = load_metrics(dataset, name, root)
    names = [m.name for m in model.modalities]
    quantiles = metrics.test.get("disagreement", {}) if metrics else {}
    percentile = conflict_percentile(inference, quantiles, names)
    if as_json:
        typer.echo(json.dumps(as_dict(inference) | {"conflict_percentile": percentile}))
        return
    typer.echo(f"{checkpoint}, test example {sample}, given {' and '.join(evidence) or 'nothing'}")
    for line in summary_lines(inference, percentile):
        typer.echo(line)


@app.command(
    epilog="Example: python -m mvae data mnist; python -m mvae data quadrants --write-samples"
)
def data(
    dataset: Annotated[
        str | None,
        typer.Argument(help="Omit for all.", callback=one_of("data set", DATASETS)),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write-samples", help="Write the bundled test examples.")
    ] = False,
    root: Root = None,
) -> None:
    """Show where a data set is and how large; download or generate it if it is missing."""
    typer.echo(f"data folder: {data_folder()} (set MVAE_DATA to change it)")
    for name in [dataset] if dataset else DATASETS:
        source = DATASETS[name]
        try:
            # Generating data takes minutes, so it is done only for a data set given by name.
            if source.make and dataset:
                with tqdm(unit="", desc=name) as bar:
                    for done, bar.total in source.make():
                        bar.update(done - bar.n)
            counts = {split: len(source.load(split, True)) for split in ("train", "valid", "test")}
        except DatasetError as error:
            if dataset:
                raise
            typer.echo(f"{name}: {source.title}; {error}")
            continue
        parts = ", ".join(f"{count:,} {split}" for split, count in counts.items())
        modalities = " · ".join(m.name for m in source.modalities)
        typer.echo(f"{name}: {source.title}; {modalities}; {parts}\n  {source.source}")
        for fact in source.facts:
            typer.echo(f"  {fact}")
        if write:
            typer.echo(f"  wrote {write_samples(name, writable_root(root))} examples")
