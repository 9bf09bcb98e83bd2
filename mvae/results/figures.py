"""Measured figures as rows of a table, each with its kind and its protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mvae.evaluation.importance import OVER_MAX_K_HAT
from mvae.evaluation.keys import FigureKey, joined
from mvae.evaluation.reliability import reason_for_doubt
from mvae.modality import Modality
from mvae.results.runs import Record

__all__ = [
    "HEAT_MAP_KINDS",
    "KINDS",
    "SHOWN_WITH",
    "Figure",
    "Kind",
    "figures",
    "kind_of",
    "spoken",
    "stale_runs",
]


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Args:
        title: title on the pages.
        explanation: what the figure means, in a few sentences.
        best: whether high or low values are better, or neither.
        protocol_keys: keys of the protocol that describe how it was measured.
        digits: number of decimal places.
    """

    title: str
    explanation: str
    best: Literal["high", "low", ""]
    protocol_keys: tuple[str, ...]
    digits: int = 3


LIKELIHOOD = ("estimator", "proposal", "conditional", "K", "K_labels", "n_loglik")
#: Kinds of figures by their key in metrics.json.
KINDS = {
    "loglik": Kind(
        "log p",
        "Log-likelihood in nats, estimated by importance weighting, which underestimates it on "
        "average; for Boltzmann machines, by annealing.",
        "high",
        LIKELIHOOD,
        2,
    ),
    "loglik_above": Kind(
        "log p above the reference",
        "Mean difference from the log-likelihoods of the reference on the same samples, in nats.",
        "high",
        LIKELIHOOD,
        2,
    ),
    "elbo": Kind("ELBO", "Evidence lower bound, in nats.", "high", ("n",), 2),
    "variance_of_log_weights": Kind(
        "variance of log weights",
        "Variance of the logarithms of the importance weights; 0 for the exact posterior.",
        "low",
        LIKELIHOOD,
        2,
    ),
    "log_partition": Kind(
        "log Z",
        "Log partition function of a Boltzmann machine. Annealed runs that end at the machine "
        "bound it from below; runs that start at the machine bound it from above if they start "
        "from samples of it, which tempered chains yield approximately. log p uses the upper "
        "bound, so that it is underestimated rather than overestimated.",
        "",
        LIKELIHOOD,
        1,
    ),
    "accuracy": Kind(
        "accuracy",
        "Fraction of labels, tags or texts that are predicted correctly. As most tags are absent, "
        "always predicting their absence is right for most of them.",
        "high",
        ("accuracy", "n_accuracy"),
    ),
    "average_precision": Kind(
        "average precision",
        "Mean average precision of retrieval: of tags from other modalities, and of other samples "
        "by their tags.",
        "high",
        ("average_precision",),
    ),
    "average_precision_chance": Kind(
        "average precision by chance",
        "Expected average precision of a random ranking of the same items; it exceeds the fraction "
        "of relevant items.",
        "",
        ("average_precision",),
    ),
    "bleu": Kind("BLEU", "BLEU of the whole corpus, from 0 to 100.", "high", ("texts",), 2),
    "chrf": Kind("chrF", "chrF of the whole corpus, from 0 to 100.", "high", ("texts",), 2),
    "per_token": Kind(
        "log p per token",
        "Log-likelihood of the sample's own text in nats, divided by its number of tokens.",
        "high",
        ("texts",),
        3,
    ),
    "probe": Kind(
        "linear probe",
        "Fraction of labels that a linear classifier predicts correctly from the posterior mean.",
        "high",
        ("probe",),
    ),
    "predictive": Kind(
        "predictive log p",
        "Log-likelihood of the missing modality under the model's own posterior, in nats. It is "
        "estimated from few draws, and therefore too low on average.",
        "high",
        ("predictive", "n_generated"),
        2,
    ),
    "coherence": Kind(
        "coherence",
        "Fraction of generated pictures that a separate classifier assigns to their label. Models "
        "are not ranked by it: one that always generates the mean of a class has a coherence of 1, "
        "but a diversity of 0. Both are therefore shown together.",
        "",
        ("coherence",),
    ),
    "diversity": Kind(
        "diversity",
        "Mean distance between pictures generated for one sample, relative to that between real "
        "pictures.",
        "",
        ("diversity",),
    ),
    "frechet": Kind(
        "Fréchet distance",
        "Distance between generated and real pictures in the features of a classifier. The fewer "
        "pictures are compared, the larger it is.",
        "low",
        ("frechet",),
        1,
    ),
    "entropy": Kind("entropy", "Entropy of the posterior, in nats.", "", ("n_generated",), 1),
    "coverage_50%": Kind(
        "coverage at 50 %",
        "Fraction of true latents within the central 50 % of the posterior, over the latents in "
        "use. It is 0.5 for a calibrated posterior, and for one that ignores the data.",
        "",
        ("coverage",),
    ),
    "coverage_90%": Kind(
        "coverage at 90 %",
        "Fraction of true latents within the central 90 % of the posterior, over the latents in "
        "use. It is 0.9 for a calibrated posterior, and for one that ignores the data.",
        "",
        ("coverage",),
    ),
    "used_latents": Kind(
        "latents in use",
        "Number of latents whose posterior differs from the prior by 0.1 nats or more on average.",
        "",
        ("coverage",),
        0,
    ),
}


#: Added to an explanation if a likelihood is not a density of the data.
NO_DENSITY = "Grey values are scored by cross-entropy, which is no log-likelihood."


def kind_of(key: str, modalities: Iterable[Modality]) -> Kind:
    """Return a kind, worded for a data set: grey values have a "score" rather than a log p.

    Example:
        >>> from mvae.data import DATASETS
        >>> [kind_of("loglik", DATASETS[name].modalities).title for name in ("mnist", "fashion")]
        ['log p', 'score']
    """
    kind = KINDS[key]
    if all(m.distribution.exact for m in modalities):
        return kind
    title, explanation = kind.title.replace("log p", "score"), kind.explanation
    for name, other in (("Log-likelihood", "Score"), ("log-likelihoods", "scores")):
        explanation = explanation.replace(name, other)
    if (title, explanation) == (kind.title, kind.explanation) and key != "elbo":
        return kind
    return replace(kind, title=title, explanation=f"{explanation} {NO_DENSITY}")


#: Kinds that mean little without another kind, which is shown beside them.
SHOWN_WITH = {"coherence": "diversity"}
#: Kinds with one figure per conditioning set, and some also per target: cells of a heat map.
HEAT_MAP_KINDS = ("coherence", "predictive", "entropy", "coverage_90%")


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Args:
        model: name of the model.
        key: what is given and what is asked for; its kind is a key of KINDS.
        mean: mean over the samples.
        se: standard error of the mean.
        n: number of samples.
        unreliable: number of samples with a Pareto k̂ above 0.7; None if there is no k̂.
        protocol: how it was measured, in words.
        doubt: why the figure is not reliable, see :mod:`mvae.evaluation.reliability`; empty if it
            is.
    """

    model: str
    key: FigureKey
    mean: float
    se: float
    n: int
    unreliable: int | None
    protocol: str
    doubt: str

    @property
    def kind(self) -> str:
        """The kind of figure."""
        return self.key.kind

    def row(self) -> dict[str, str | float | None]:
        """Return it as a row of a table, in plain words and numbers."""
        facts = {name: x for name, x in vars(self).items() if name not in ("model", "key")}
        given, asked = joined(self.key.given), joined(self.key.asked)
        names = {"kind": self.kind, "what": str(self.key), "given": given, "asked": asked}
        return {"model": self.model, **names, **facts}


def figures(records: Iterable[Record]) -> list[Figure]:
    """List all figures of some runs, without runs whose weights have since changed.

    Example:
        >>> from mvae.results.runs import runs
        >>> found = figures(runs("mnist"))
        >>> sorted({f.key.asked for f in found if f.kind == "accuracy"})
        [('label',)]
    """
    rows = []
    for run in records:
        if run.metrics is None:
            continue
        test, protocol = run.metrics.test, run.metrics.protocol
        for key, kind in KINDS.items():
            facts = "; ".join(
                f"{name.replace('_', ' ')}: {protocol[name]}"
                for name in kind.protocol_keys
                if name in protocol
            )
            description = f"test split; {facts}; {protocol.get('date', '')}"
            of_kind = test.get(key, {})
            if key == "loglik_above":
                # There is a level for the name of the reference; its hash is among the figures.
                description += f"; reference: {', '.join(of_kind)}"
                of_kind = {k: x for each in of_kind.values() for k, x in each.items()}
            for what, x in of_kind.items():
                if isinstance(x, dict):
                    rows.append(
                        Figure(
                            run.name,
                            FigureKey.parse(key, what),
                            x["mean"],
                            x["se"],
                            x["n"],
                            x.get(OVER_MAX_K_HAT),
                            description,
                            reason_for_doubt(key, x, protocol),
                        )
                    )
    return rows


def spoken(names: Sequence[str], modalities: Sequence[Modality]) -> str:
    """Return names of modalities in words; all tiles of a picture together are the picture.

    Example:
        >>> from mvae.data import DATASETS
        >>> quadrants = DATASETS["quadrants"].modalities
        >>> spoken([m.name for m in quadrants], quadrants)
        'picture, label'
        >>> spoken([], quadrants)
        'nothing'
    """
    tiles = [m.name for m in modalities if m.is_image]
    if len(tiles) > 1 and set(tiles) <= set(names):
        names = ["picture", *(name for name in names if name not in tiles)]
    return ", ".join(names) or "nothing"


def stale_runs(records: Iterable[Record]) -> list[str]:
    """List the names of runs whose weights have changed since they were measured."""
    return [run.name for run in records if run.metrics is None]
