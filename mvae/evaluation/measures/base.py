"""The interface of a measure."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any, ClassVar

from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.step_cache import Step, StepCache

__all__ = ["Measure"]


class Measure(abc.ABC):
    """A measure: the steps that compute it, and how its figures follow from their results."""

    #: Name of the measure on the command line, ``evaluate --only``.
    name: ClassVar[str]
    #: All kinds of figures that it may compute, the keys of :meth:`figures`.
    kinds: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield the steps; none if the model has no such figures."""

    @abc.abstractmethod
    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return the figures by kind and key, once all steps have been run."""

    @abc.abstractmethod
    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return the part of the protocol that describes how the figures are measured."""
