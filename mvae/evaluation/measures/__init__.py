"""What is measured of every model: a file for each kind of figures."""

from __future__ import annotations

from mvae.evaluation.measures.accuracy import Accuracy
from mvae.evaluation.measures.base import Measure, Subject
from mvae.evaluation.measures.calibration import Honesty, Probe
from mvae.evaluation.measures.conflict_and_cost import Facts
from mvae.evaluation.measures.frechet import Frechet
from mvae.evaluation.measures.generation import Generated
from mvae.evaluation.measures.likelihoods import Likelihoods, estimates
from mvae.evaluation.measures.retrieval import Retrieval
from mvae.evaluation.measures.text_quality import Texts

__all__ = ["OTHERS", "Likelihoods", "Measure", "Subject", "estimates"]

#: All but the likelihoods, which another model's may stand beside.
OTHERS: tuple[Measure, ...] = (
    *(Facts(), Accuracy(), Generated(), Frechet(), Retrieval(), Texts(), Probe(), Honesty()),
)
