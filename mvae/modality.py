"""Modalities: the name, kind, shape and likelihood of one part of a sample."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)
from torch import Tensor
from torch.distributions.constraints import Constraint

from mvae.distributions.likelihood import LIKELIHOODS, Likelihood, elements
from mvae.kinds.base import Annotation, quoted
from mvae.kinds.registry import KINDS

__all__ = ["Modality"]

#: Upper bounds on any size in a file and on the elements of a sample, since they are allocated.
LARGEST, MOST = 2**16, 2**22
Size = Annotated[int, Field(gt=0, le=LARGEST)]
Place = Annotated[int, Field(ge=0, lt=64)]


class Modality(BaseModel):
    """One part of a sample, described by settings that JSON can hold.

    Args:
        name: unique within a model, shown to people.
        kind: a key of :data:`mvae.kinds.registry.KINDS`; chooses values, encoder and decoder.
        shape: the shape of a datum; for a label, the number of categories; for tags, the number of
            tags; for a text, the maximum number of tokens, including its end.
        likelihood: a key of :data:`mvae.distributions.likelihood.LIKELIHOODS`.
        weight: λ, the factor of log p(x_i|z) in the training objective (never in a reported one).
        hidden: widths of the hidden layers of its encoder and, reversed, of its decoder.
        convolutions: channels of the convolutions of an image's or a series' encoder, before its
            hidden layers, each of which halves all sides; its decoder mirrors them.
        dropout: the fraction of a text's previous tokens that are hidden from its decoder in
            training.
        categories: names of the categories, of the tags, or of the tokens, in order of their
            index; the first token ends a text.
        tile: row and column, if the modality is a tile of a larger picture.
        grid: rows and columns, if the elements of a vector form a picture; high values are dark.

    Raises:
        pydantic.ValidationError: if a field is missing, unknown or inconsistent.

    Example:
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> digit.outputs
        10
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9 -]{0,31}$")
    kind: str
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

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(
                f"no kind of modality is called {kind[:40]!r}, only {', '.join(KINDS)}"
            )
        return kind

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        kind = KINDS[self.kind]
        numbers = elements(kind.expected_shape(self))
        if numbers > MOST:
            raise ValueError(f"a sample of {self.name} has {numbers:,} numbers, more than {MOST:,}")
        kind.check(self)
        for setting in sorted(set().union(*(k.settings for k in KINDS.values())) - kind.settings):
            if getattr(self, setting):
                having = ", ".join(k.name for k in KINDS.values() if setting in k.settings)
                raise ValueError(f"a modality of kind {self.kind} has no {setting}: only {having}")
        return self

    @property
    def distribution(self) -> Likelihood:
        """The likelihood itself."""
        return LIKELIHOODS[self.likelihood]

    @property
    def support(self) -> Constraint:
        """The constraint that every element of a datum satisfies.

        Pixels and tags under a Bernoulli likelihood are 0 or 1, grey ones from 0 to 1; categories
        and tokens are indices; everything else is finite.

        Example:
            >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
            >>> digit.support.check(torch.tensor([9.0, 1.7, 10.0])).tolist()
            [True, False, False]
        """
        return KINDS[self.kind].support(self)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one datum in a batch: a category is an index, so ``()``; a text has many."""
        return KINDS[self.kind].event_shape(self)

    @property
    def expected_shape(self) -> tuple[int, ...]:
        """Shape of the likelihood's mean: probabilities of categories, or of each token."""
        return KINDS[self.kind].expected_shape(self)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the data: indices for categories and tokens, floats for the rest."""
        return KINDS[self.kind].dtype

    @property
    def is_annotation(self) -> bool:
        """Whether it describes a sample in words: a label, tags or a text."""
        return isinstance(KINDS[self.kind], Annotation)

    @property
    def is_image(self) -> bool:
        """Whether its data are pixels, (channels, height, width), shown as a picture."""
        return KINDS[self.kind].is_image

    @property
    def is_category(self) -> bool:
        """Whether a datum is one of ``shape[0]`` categories."""
        return KINDS[self.kind].is_category

    @property
    def is_set(self) -> bool:
        """Whether a datum is a subset of ``shape[0]`` categories, each present or absent."""
        return KINDS[self.kind].is_set

    @property
    def is_text(self) -> bool:
        """Whether a datum is a sequence of tokens, decoded one after another."""
        return KINDS[self.kind].is_text

    @property
    def outputs(self) -> int:
        """Number of outputs of its decoder; for a text, for each token."""
        return KINDS[self.kind].outputs(self)

    def encode(self, value: Any) -> Tensor:
        """Convert a user's value to a tensor ``(*event shape)``, and check its support.

        Raises:
            ValueError: if it is not of the modality's kind, or outside of its support.
            InputError: if it is a text that cannot be written in the modality's tokens.

        Example:
            >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
            >>> digit.encode("7"), digit.decode(torch.tensor(7))
            (tensor(7), 7)
        """
        x = KINDS[self.kind].encode(self, value)
        if x.shape != self.event_shape or not self.support.check(x).all():
            raise ValueError(f"{self.name}, of kind {self.kind}, cannot be {quoted(value)}")
        return x.to(self.dtype)

    def decode(self, x: Tensor) -> Any:
        """Convert a datum ``(*event shape)`` to a user's value, the inverse of `encode`."""
        return KINDS[self.kind].decode(self, x)

    def category(self, index: int) -> str:
        """Name of a category; its index where it has no name of its own."""
        return self.categories[index] if self.categories else str(index)
