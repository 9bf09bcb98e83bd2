"""The interface of a kind of modality: its values, networks, likelihoods and scores."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints
from torch.distributions.constraints import Constraint
from torch.nn.functional import cross_entropy

from mvae.distributions.likelihood import LIKELIHOODS, elements
from mvae.kinds.layers import mlp

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["Annotation", "Grouping", "Kind", "quoted"]

#: Names of categories, and the category of each sample, ``(B,)``.
Grouping = tuple[tuple[str, ...], Tensor]


class Kind(abc.ABC):
    """A kind of modality; the defaults suit arrays of real numbers and pixels.

    Kinds have no state: every method takes the modality, whose settings determine the sizes.
    """

    #: The name by which a modality refers to its kind.
    name: ClassVar[str]
    #: The allowed likelihoods, keys of :data:`mvae.distributions.likelihood.LIKELIHOODS`.
    likelihoods: ClassVar[tuple[str, ...]]
    #: The optional settings that a modality of this kind may have.
    settings: ClassVar[frozenset[str]] = frozenset()
    #: The names of the axes of its shape; if empty, the shape may have one to three axes.
    axes: ClassVar[tuple[str, ...]] = ()
    #: The type of a user's value, as accepted by `encode` and returned by `decode`.
    value_type: ClassVar[type] = list

    #: Whether data are indices of categories or tokens; otherwise they are floats.
    is_index: ClassVar[bool] = False
    #: Whether data are pixels, (channels, height, width), which are shown as a picture.
    is_image: ClassVar[bool] = False
    #: Whether a datum is one of ``shape[0]`` categories.
    is_category: ClassVar[bool] = False
    #: Whether a datum is a subset of ``shape[0]`` categories, each present or absent.
    is_set: ClassVar[bool] = False
    #: Whether a datum is a sequence of tokens, decoded one after another.
    is_text: ClassVar[bool] = False

    def check(self, m: Modality) -> None:
        """Check that the settings of a modality are consistent.

        Raises:
            ValueError: if they are not; the message says which setting is wrong.
        """
        if self.axes and len(m.shape) != len(self.axes):
            expected = f"({', '.join(self.axes)})" if len(self.axes) > 1 else "one number"
            raise ValueError(
                f"the shape of a modality of kind {self.name} must be {expected}, not {m.shape}"
            )
        if m.likelihood not in self.likelihoods:
            titles = " or ".join(LIKELIHOODS[name].title for name in self.likelihoods)
            raise ValueError(
                f"the likelihood of a modality of kind {self.name} must be {titles}, not "
                f"{m.distribution.title}"
            )

    # Values

    def event_shape(self, m: Modality) -> tuple[int, ...]:
        """Return the shape of one datum in a batch."""
        return m.shape

    def expected_shape(self, m: Modality) -> tuple[int, ...]:
        """Return the shape of the likelihood's mean; for discrete data, of the probabilities."""
        return m.shape

    @property
    def dtype(self) -> torch.dtype:
        """Data type of a batch."""
        return torch.long if self.is_index else torch.get_default_dtype()

    def support(self, m: Modality) -> Constraint:
        """Return the constraint that every element of a datum satisfies."""
        if self.is_index:
            return constraints.integer_interval(0, self.outputs(m) - 1)
        return m.distribution.support

    def encode(self, m: Modality, value: Any) -> Tensor:
        """Convert a user's value to a tensor ``(*event shape)``, without checking its support.

        Raises:
            ValueError: if it is not a value of this kind.
            InputError: if it is a text that cannot be written in the modality's tokens.
        """
        if isinstance(value, Tensor):
            return value
        if isinstance(value, str):
            raise ValueError(f"{quoted(value)} is a string, but {m.name} consists of numbers")
        try:
            return torch.from_numpy(np.array(value, dtype=np.float64))
        except (TypeError, ValueError):
            raise ValueError(f"{quoted(value)} is not a number or an array of numbers") from None

    def decode(self, m: Modality, x: Tensor) -> Any:
        """Convert a datum ``(*event shape)`` to a user's value, the inverse of `encode`."""
        return x.tolist()

    def required(self, m: Modality) -> str:
        """Return a description of the allowed values, for error messages."""
        return "0 or 1" if m.distribution.binary else "between 0 and 1"

    def remedy(self, m: Modality, known: Tensor) -> str:
        """Return advice on how to bring values into the support, based on their range.

        Args:
            m: the modality.
            known: finite values, at least one.
        """
        low, high = known.min().item(), known.max().item()
        if low >= 0 and high <= 1:
            return "binarise it, x > 0.5, or use the likelihood bernoulli-cross-entropy"
        scale = "rescale it to between 0 and 1"
        if low >= 0 and high <= 255:
            scale = "divide by 255"
        elif low >= -1 and high <= 1:
            scale = "take (x + 1) / 2"
        return f"{scale}, then binarise it, x > 0.5" if m.distribution.binary else scale

    def store(self, x: Tensor) -> Tensor:
        """Convert data to the type in which they are saved in a file of examples."""
        return x

    def restore(self, x: Tensor) -> Tensor:
        """Convert data from the type in which `store` saves them."""
        return x

    def groupings(self, m: Modality, x: Tensor) -> dict[str, Grouping]:
        """Return the ways of grouping samples by their data ``(B, *event shape)``, by name."""
        return {}

    def grouped_by(self, m: Modality) -> tuple[str, ...]:
        """Return the names of the groupings that `groupings` returns."""
        return ()

    # Networks

    def outputs(self, m: Modality) -> int:
        """Return the number of outputs of the decoder; for a text, for each token."""
        return m.distribution.parameters * elements(m.shape)

    def first_layer(self, m: Modality, width: int) -> nn.Module:
        """Return the first layer of an encoder, ``(B, *event shape)`` to ``(B, width)``."""
        return nn.Sequential(nn.Flatten(), nn.Linear(elements(m.shape), width))

    def decoder(self, m: Modality, latents: int) -> nn.Module:
        """Return the network from latents ``(..., D)`` to the parameters of the likelihood."""
        return mlp(latents, *reversed(m.hidden), self.outputs(m))

    def fan_in(self, m: Modality) -> tuple[int, int]:
        """Return the inputs of the first linear layer, and the number of weights before it."""
        return elements(m.shape), 0

    # Predictions

    def describe(self, m: Modality, samples: Tensor) -> list[str]:
        """Describe draws of the mean ``(N, *expected shape)`` in lines of text."""
        mean = samples.mean(0)
        return [f"mean of {tuple(mean.shape)}, average value {mean.mean():.3f}"]


class Annotation(Kind):
    """A kind that describes a sample in words, so that a prediction can be right or wrong."""

    axes = ("size",)
    #: Whether its categories must have names.
    needs_names: ClassVar[bool] = False

    def check(self, m: Modality) -> None:
        """Check also that every category has a name, or none if names are optional."""
        super().check(m)
        if self.needs_names and not m.categories:
            raise ValueError(f"the categories of a modality of kind {self.name} need names")
        # The last dimension of the probabilities is that of the categories.
        if m.categories and len(m.categories) != (count := self.expected_shape(m)[-1]):
            raise ValueError(f"{len(m.categories)} category names for {count} categories")

    @abc.abstractmethod
    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        """Return how well two data agree, from 0 to 1, ``(..., *event shape)`` to ``(...)``."""

    def most_probable(self, expected: Tensor) -> Tensor:
        """Return the most probable data, ``(..., *expected shape)`` to ``(..., *event shape)``."""
        return expected.argmax(-1)

    def predict(self, m: Modality, p: Distribution) -> Tensor:
        r"""Predict the data of B samples from N draws of the latents, ``(B, *event shape)``.

        .. math:: \hat x = \arg\max_x \frac1N \sum_n p(x|h_n)

        Args:
            m: the modality.
            p: p(x|h), of batch shape ``(N, B)``.
        """
        return self.most_probable(m.distribution.expected(p).mean(0))

    def most_probable_by_logits(self, logits: Tensor) -> Tensor:
        """Return the most probable data given a classifier's logits ``(..., *expected shape)``."""
        return self.most_probable(logits)

    def classification_loss(self, logits: Tensor, known: Tensor) -> Tensor:
        """Return the mean cross-entropy of data ``(B, *event shape)`` given logits, a scalar."""
        return cross_entropy(logits.flatten(0, -2), known.flatten())

    def index_of(self, m: Modality, name: str) -> int:
        """Return the index of a category by its name.

        Raises:
            ValueError: if no category has that name.
        """
        names = [m.category(i) for i in range(m.shape[0])]
        if name not in names:
            raise ValueError(f"there is no {quoted(name)}, only {_first_names(names)}")
        return names.index(name)


def quoted(value: object) -> str:
    """Return the first sixty characters of a value's ``repr``."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _first_names(names: Sequence[str], limit: int = 10) -> str:
    more = f", … ({len(names)} in all)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
