"""Measured figures as rows of one table, each with what it is and how it came about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mvae.evaluation.reliability import doubt
from mvae.modality import Modality
from mvae.results.runs import Record

__all__ = [
    "BESIDE",
    "CELLS",
    "KINDS",
    "Figure",
    "Kind",
    "figures",
    "kind_of",
    "spoken",
    "withheld",
]


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Args:
        title: as a page calls it.
        means: one sentence on what it says.
        best: whether high or low is good, or neither.
        how: keys of the protocol that say how it came about.
        digits: after the point.
    """

    title: str
    means: str
    best: Literal["high", "low", ""]
    how: tuple[str, ...]
    digits: int = 3


LIKELIHOOD = ("estimator", "proposal", "conditional", "K", "K_labels", "n_loglik")
#: By the key in metrics.json.
KINDS = {
    "loglik": Kind(
        "log p",
        "Log-likelihood by importance weights, which on average underestimate it, in nats; of "
        "Boltzmann machines by annealing.",
        "high",
        LIKELIHOOD,
        2,
    ),
    "loglik_above": Kind(
        "log p above the reference",
        "Mean difference to the log-likelihoods of the reference, of the same samples, in nats.",
        "high",
        LIKELIHOOD,
        2,
    ),
    "elbo": Kind("ELBO", "Evidence lower bound, in nats.", "high", ("n",), 2),
    "variance_of_log_weights": Kind(
        "variance of log weights",
        "Variance of the logarithms of the importance weights: 0 for the exact posterior.",
        "low",
        LIKELIHOOD,
        2,
    ),
    "log_partition": Kind(
        "log Z",
        "Of Boltzmann machines: annealed runs to the machine bound it from below; runs from the "
        "machine bound it from above if they start with draws of it, which tempered chains give "
        "about. log p takes the upper one, so that it is too small rather than too large.",
        "",
        LIKELIHOOD,
        1,
    ),
    "accuracy": Kind(
        "accuracy",
        "Share of the labels, tags or texts inferred right; as most tags are absent, who always "
        "says so is right about most.",
        "high",
        ("accuracy", "n_accuracy"),
    ),
    "average_precision": Kind(
        "average precision",
        "Mean average precision: of tags that are told from the rest, and of what is found by tags "
        "among other samples.",
        "high",
        ("average_precision",),
    ),
    "average_precision_chance": Kind(
        "average precision by chance",
        "What a random order is expected to reach with as many relevant ones among as many; it is "
        "more than the share that is relevant.",
        "",
        ("average_precision",),
    ),
    "bleu": Kind("BLEU", "Of all texts together, from 0 to 100.", "high", ("texts",), 2),
    "chrf": Kind("chrF", "Of all texts together, from 0 to 100.", "high", ("texts",), 2),
    "per_token": Kind(
        "log p per token", "Of the sample's own text, in nats.", "high", ("texts",), 3
    ),
    "probe": Kind(
        "linear probe", "Share of the labels that straight lines read off.", "high", ("probe",)
    ),
    "predictive": Kind(
        "predictive log p",
        "Log-likelihood of what is missing under the model's own posterior, in nats; the mean of "
        "few draws, hence too low on average.",
        "high",
        ("predictive", "n_generated"),
        2,
    ),
    "coherence": Kind(
        "coherence",
        "Share of the pictures that a separate classifier names as their label. It is not ranked: "
        "a model that always paints the mean of a class has a coherence of 1 and a diversity of 0, "
        "which stands beside it.",
        "",
        ("coherence",),
    ),
    "diversity": Kind(
        "diversity",
        "Mean distance between the pictures of one sample; that between real ones is 1.",
        "",
        ("diversity",),
    ),
    "frechet": Kind(
        "Fréchet distance",
        "Between generated and real pictures, as a classifier sees them; it is the larger the "
        "fewer pictures it is taken from.",
        "low",
        ("frechet",),
        1,
    ),
    "entropy": Kind("entropy", "Entropy of the posterior, in nats.", "", ("n_generated",), 1),
    "coverage_50%": Kind(
        "coverage at 50 %",
        "Share of true latents within the posterior's central 50 %, over the latents in use: a "
        "calibrated one has 0.5, and so has one that ignores the data.",
        "",
        ("coverage",),
    ),
    "coverage_90%": Kind(
        "coverage at 90 %",
        "Share of true latents within the posterior's central 90 %, over the latents in use: a "
        "calibrated one has 0.9, and so has one that ignores the data.",
        "",
        ("coverage",),
    ),
    "used_latents": Kind(
        "latents in use",
        "Latents whose posterior is not the prior: their KL to it is 0.1 nats or more on average.",
        "",
        ("coverage",),
        0,
    ),
}


#: What is added where a likelihood is no density of the data.
NO_DENSITY = "Grey values are scored by cross-entropy, which is no log-likelihood of them."


def kind_of(key: str, modalities: Iterable[Modality]) -> Kind:
    """Give a kind in the words that fit a data set: of grey values a "score", and no log p.

    Example:
        >>> from mvae.data import DATASETS
        >>> [kind_of("loglik", DATASETS[name].modalities).title for name in ("mnist", "fashion")]
        ['log p', 'score']
    """
    kind = KINDS[key]
    if all(m.distribution.exact for m in modalities):
        return kind
    title, means = kind.title.replace("log p", "score"), kind.means
    for name, other in (("Log-likelihood", "Score"), ("log-likelihoods", "scores")):
        means = means.replace(name, other)
    if (title, means) == (kind.title, kind.means) and key != "elbo":
        return kind
    return replace(kind, title=title, means=f"{means} {NO_DENSITY}")


#: Kinds that say little without another kind, which is shown beside them.
BESIDE = {"coherence": "diversity"}
#: Kinds that there is one of for each conditioning set and, some, each target: cells of a heat map.
CELLS = ("coherence", "predictive", "entropy", "coverage_90%")


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Args:
        model: whose it is.
        kind: a key of KINDS.
        what: its key among the figures of this kind.
        given: names of what was supplied, joined by "+"; empty for nothing.
        asked: names of what was scored or generated; empty where the figure is of the posterior.
        mean: over the samples.
        se: its standard error.
        n: samples.
        unreliable: how many of them have a Pareto k̂ above 0.7, where there is one.
        how: the protocol, in words.
        doubt: why it is no result, a sentence of :mod:`mvae.evaluation.reliability`; empty for a
            result.
    """

    model: str
    kind: str
    what: str
    given: str
    asked: str
    mean: float
    se: float
    n: int
    unreliable: int | None
    how: str
    doubt: str


def figures(records: Iterable[Record]) -> list[Figure]:
    """List every figure of some runs that is of exactly the weights beside it.

    Example:
        >>> from mvae.results.runs import runs
        >>> found = figures(runs("mnist"))
        >>> sorted({f.asked for f in found if f.kind == "accuracy"})
        ['label']
    """
    rows = []
    for run in records:
        if run.metrics is None:
            continue
        test, protocol = run.metrics.test, run.metrics.protocol
        for key, kind in KINDS.items():
            said = "; ".join(
                f"{name.replace('_', ' ')}: {protocol[name]}"
                for name in kind.how
                if name in protocol
            )
            how = f"test split; {said}; {protocol.get('date', '')}"
            of_kind = test.get(key, {})
            if key == "loglik_above":
                # The reference's name stands between, and its hash among the figures.
                how += f"; reference: {', '.join(of_kind)}"
                of_kind = {k: x for each in of_kind.values() for k, x in each.items()}
            for what, x in of_kind.items():
                if isinstance(x, dict):
                    given, asked = split(key, what)
                    rows.append(
                        Figure(
                            run.name,
                            key,
                            what,
                            given,
                            asked,
                            x["mean"],
                            x["se"],
                            x["n"],
                            x.get("k_hat_over_0.7"),
                            how,
                            doubt(key, x, protocol),
                        )
                    )
    return rows


def split(kind: str, what: str) -> tuple[str, str]:
    """Tell what is given from what is asked.

    Example:
        >>> split("coherence", "label->image"), split("loglik", "image|label")
        (('label', 'image'), ('label', 'image'))
        >>> split("loglik", "image+label"), split("entropy", "image+label")
        (('', 'image+label'), ('image+label', ''))
    """
    if "->" in what:
        given, _, asked = what.partition("->")
        return given, asked
    if kind.startswith(("log", "elbo")):
        asked, _, given = what.partition("|")
        return given, asked
    return what, ""


def spoken(key: str, modalities: Sequence[Modality]) -> str:
    """Say a key as a person would; all tiles of a picture together are the picture.

    Example:
        >>> from mvae.data import DATASETS
        >>> quadrants = DATASETS["quadrants"].modalities
        >>> spoken("top left+top right+bottom left+bottom right+label", quadrants)
        'picture, label'
        >>> spoken("", quadrants)
        'nothing'
    """
    names = key.split("+") if key else []
    tiles = [m.name for m in modalities if m.is_image]
    if len(tiles) > 1 and set(tiles) <= set(names):
        names = ["picture", *(name for name in names if name not in tiles)]
    return ", ".join(names) or "nothing"


def withheld(records: Iterable[Record]) -> list[str]:
    """Name the runs whose figures are of other weights than those beside them."""
    return [run.name for run in records if run.metrics is None]
