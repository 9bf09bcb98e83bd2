"""Measures of every model, in one file for each kind of figure."""

from __future__ import annotations

from mvae.evaluation.measures.accuracy import Accuracy
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.measures.calibration import CalibrationMeasure
from mvae.evaluation.measures.conflict_and_cost import ConflictAndCost
from mvae.evaluation.measures.frechet import Frechet
from mvae.evaluation.measures.generation import Generation
from mvae.evaluation.measures.likelihoods import Likelihoods, estimates
from mvae.evaluation.measures.probe import Probe
from mvae.evaluation.measures.retrieval import Retrieval
from mvae.evaluation.measures.text_quality import TextQuality

__all__ = ["OTHERS", "Likelihoods", "Measure", "estimates"]

#: All measures but the likelihoods, which may be compared with those of a reference model.
OTHERS: tuple[Measure, ...] = (
    *(
        ConflictAndCost(),
        Accuracy(),
        Generation(),
        Frechet(),
        Retrieval(),
        TextQuality(),
        Probe(),
        CalibrationMeasure(),
    ),
)
