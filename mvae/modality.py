"""Modalities: the name, kind, shape and likelihood of one part of a sample."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from mvae.distributions.likelihood import LIKELIHOODS, Likelihood, elements

__all__ = ["Modality"]

#: Kinds whose data are indices, each with a likelihood that nothing else has.
OWN_LIKELIHOOD = {"label": "categorical", "text": "autoregressive"}

#: The largest number of anything, and the most numbers that describe a sample: what a file asks
#: for is allocated, so it has bounds.
LARGEST, MOST = 2**16, 2**22
Size = Annotated[int, Field(gt=0, le=LARGEST)]
Place = Annotated[int, Field(ge=0, lt=64)]


class Modality(BaseModel):
    """One kind of evidence, described so that JSON can hold it.

    Args:
        name: unique within a model, shown to people.
        kind: chooses encoder, decoder and input widget.
        shape: of one event; of a label ``(number of categories,)``, of tags how many there are, of
            a text how many tokens it may have, its end included.
        likelihood: a key of :data:`mvae.distributions.likelihood.LIKELIHOODS`.
        weight: λ, the factor of log p(x_i|z) in the training objective (never in a reported one).
        hidden: widths of the hidden layers of its encoder and, reversed, of its decoder.
        convolutions: channels of the convolutions of an image's encoder, before its hidden layers,
            each of which halves height and width; its decoder mirrors them.
        dropout: share of a text's tokens that its decoder is not told in training.
        categories: names of the categories, of the tags, or of the tokens, in order of their
            index; the first token ends a text.
        tile: row and column, where the modality is one tile of a larger picture.
        grid: rows and columns, where a vector's numbers are those of a picture, dark where high.

    Raises:
        pydantic.ValidationError: if a field is missing, unknown or inconsistent.

    Example:
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> digit.outputs
        10
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9 -]{0,31}$")
    kind: Literal["image", "label", "vector", "tags", "text"]
    shape: tuple[Size, ...] = Field(min_length=1, max_length=3)
    likelihood: Literal[
        "bernoulli", "bernoulli-cross-entropy", "categorical", "gaussian", "autoregressive"
    ]
    weight: float = Field(default=1.0, gt=0, le=1e6)
    hidden: tuple[Size, ...] = Field(default=(512, 512), min_length=1, max_length=16)
    convolutions: tuple[Size, ...] = Field(default=(), max_length=16)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    categories: tuple[str, ...] = Field(default=(), max_length=LARGEST)
    tile: tuple[Place, Place] | None = None
    grid: tuple[PositiveInt, PositiveInt] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        numbers = elements(self.shape) * (len(self.categories) if self.kind == "text" else 1)
        if numbers > MOST:
            raise ValueError(f"a sample of {self.name} has {numbers:,} numbers, more than {MOST:,}")
        if self.kind == "image" and len(self.shape) != 3:
            raise ValueError(f"an image's shape is (channels, height, width), not {self.shape}")
        for kind, likelihood in OWN_LIKELIHOOD.items():
            if (self.kind == kind) != (self.likelihood == likelihood):
                raise ValueError(
                    f"a {kind} has a likelihood that is {likelihood}, nothing else has"
                )
        if self.kind in ("label", "tags", "text") and len(self.shape) != 1:
            raise ValueError(f"the shape of a {self.kind} is one number, not {self.shape}")
        if self.kind == "tags" and self.likelihood != "bernoulli":
            raise ValueError(f"tags are there or not: Bernoulli, not {self.likelihood}")
        if self.kind in ("tags", "text") and not self.categories:
            raise ValueError(f"the categories of a {self.kind} modality need names")
        if self.kind != "text" and self.categories and len(self.categories) != self.shape[0]:
            raise ValueError(
                f"{len(self.categories)} category names for {self.shape[0]} categories"
            )
        if self.kind == "text" and self.hidden[0] % 2:
            raise ValueError(f"the first width of a text is even, not {self.hidden[0]}")
        if self.dropout and self.kind != "text":
            raise ValueError(f"only the tokens of a text are dropped, not a {self.kind}")
        if self.convolutions and self.kind != "image":
            raise ValueError(f"only an image is convolved, not a {self.kind}")
        if self.grid and (self.kind != "vector" or self.shape != (self.grid[0] * self.grid[1],)):
            raise ValueError(f"{self.shape} numbers of a {self.kind} don't fill a grid {self.grid}")
        return self

    @property
    def distribution(self) -> Likelihood:
        """The likelihood itself."""
        return LIKELIHOODS[self.likelihood]

    @property
    def support(self) -> Constraint:
        """Which numbers a datum may be made of.

        Pixels and tags under a Bernoulli likelihood are 0 or 1, grey ones from 0 to 1; categories
        and tokens are indices; everything else is finite.

        Example:
            >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
            >>> digit.support.check(torch.tensor([9.0, 1.7, 10.0])).tolist()
            [True, False, False]
        """
        if self.kind in OWN_LIKELIHOOD:
            return constraints.integer_interval(0, self.outputs - 1)
        return self.distribution.support

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one datum in a batch: a category is an index, so ``()``; a text has many."""
        return () if self.kind == "label" else self.shape

    @property
    def dtype(self) -> torch.dtype:
        """Type of the data: indices for categories and tokens, floats for the rest."""
        return torch.long if self.kind in OWN_LIKELIHOOD else torch.get_default_dtype()

    @property
    def is_annotation(self) -> bool:
        """Whether it says in words what something is: a label, tags or a text."""
        return self.kind in ("label", "tags", "text")

    @property
    def outputs(self) -> int:
        """How many numbers its decoder gives; for a text, for each token."""
        if self.kind == "text":
            return len(self.categories)
        return self.distribution.parameters * elements(self.shape)

    def category(self, index: int) -> str:
        """Name of a category; its index where it has no name of its own."""
        return self.categories[index] if self.categories else str(index)
