"""What a modality is, and a batch of samples in which any modality may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from mvae.likelihood import LIKELIHOODS, Likelihood, elements
from mvae.values import checked, mask_of, values_of

__all__ = ["Batch", "Modality"]

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
        likelihood: a key of :data:`mvae.likelihood.LIKELIHOODS`.
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
    def named(self) -> bool:
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


@dataclass(frozen=True)
class Batch:
    """B samples of every modality, and which of them are there.

    The mask is the only way in which missing evidence is expressed. What stands in ``values``
    where the mask is false is never looked at.

    Args:
        values: modality name to tensor ``(B, *event shape)``; their order is that of the mask.
        present: whether sample b has modality m, bool ``(B, M)``.

    Raises:
        ValueError: if the mask is not boolean, or does not fit the values.

    Example:
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> batch = Batch.of([digit], {"label": torch.tensor([3, 8])})
        >>> batch.supply([]).present.flatten().tolist()
        [False, False]
    """

    values: dict[str, Tensor]
    present: Tensor

    def __post_init__(self) -> None:
        sizes = {name: len(x) for name, x in self.values.items()}
        if self.present.dtype != torch.bool or self.present.ndim != 2:
            raise ValueError(
                f"the mask must be bool of shape (samples, modalities), not {self.present.dtype} "
                f"of shape {tuple(self.present.shape)}"
            )
        if self.present.shape[1] != len(sizes):
            raise ValueError(
                f"the mask has {self.present.shape[1]} columns for {len(sizes)} modalities: "
                f"{', '.join(sizes)}"
            )
        if wrong := [name for name, size in sizes.items() if size != len(self.present)]:
            raise ValueError(
                f"{wrong[0]} has {sizes[wrong[0]]} samples, and the mask {len(self.present)}"
            )

    @staticmethod
    def of(modalities: Iterable[Modality], values: Mapping[str, Any], present: Any = None) -> Batch:
        """Make a batch of what people have; the modalities left out are missing.

        Args:
            modalities: in the order that the batch is to have.
            values: modality name to a tensor, an array or a list, with one value a sample, within
                the modality's support. A category may be given by its name, tags by the list of
                those that are there, a text as a string. Missing is what is None (a modality or a
                sample of it) and a sample that is NaN throughout.
            present: which samples have which modality, bool: by name ``(B,)`` each, or a matrix
                ``(B, M)`` in the order of the modalities. Values that it says are missing are not
                looked at.

        Raises:
            ValueError: for an unknown modality, a wrong shape, a value outside of the modality's
                support, a name or a text that is not the modality's, a mask that does not fit or
                contradicts the values, or when nothing tells the number of samples.

        Example:
            >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
            >>> point = Modality(name="point", kind="vector", shape=(2,), likelihood="gaussian")
            >>> values = {"label": ["3", None], "point": [[0.5, 1.0], [0.0, -1.0]]}
            >>> Batch.of([digit, point], values).present.tolist()
            [[True, True], [False, True]]
        """
        modalities = tuple(modalities)
        names = [m.name for m in modalities]
        if unknown := [name for name in values if name not in names]:
            raise ValueError(f"no modality is called {unknown[0]!r}: there are {', '.join(names)}")
        found = {
            m.name: values_of(m, values[m.name])
            for m in modalities
            if values.get(m.name) is not None
        }
        if not found:
            raise ValueError("supply at least one modality; Batch.empty makes a batch without any")
        sizes = {name: len(x) for name, (x, _) in found.items()}
        first, size = next(iter(sizes.items()))
        if wrong := [name for name in sizes if sizes[name] != size]:
            raise ValueError(
                f"{wrong[0]} has {sizes[wrong[0]]} samples, and {first} has {size}: mark those "
                f"that are missing by None"
            )
        masks = {} if present is None else mask_of(names, present, size)
        whole, columns = {}, []
        for m in modalities:
            absent = torch.zeros(size, dtype=torch.bool)
            x, there = found.get(m.name, (torch.zeros(size, *m.event_shape), absent))
            asked = masks.get(m.name, there).to(there.device)
            if (asked & ~there).any():
                row = int((asked & ~there).nonzero()[0])
                raise ValueError(
                    f"the mask says that sample {row} has {m.name}, and there is no value of it"
                )
            whole[m.name] = checked(m, x, asked)
            columns.append(asked)
        return Batch(whole, torch.stack(columns, 1))

    @staticmethod
    def empty(modalities: Iterable[Modality], size: int = 1) -> Batch:
        """Make a batch in which every modality is missing: its posterior is the prior."""
        modalities = tuple(modalities)
        values = {m.name: torch.zeros(size, *m.event_shape, dtype=m.dtype) for m in modalities}
        return Batch(values, torch.zeros(size, len(values), dtype=torch.bool))

    def __len__(self) -> int:
        """Give the number of samples."""
        return len(self.present)

    def __getitem__(self, index: int | slice | Tensor) -> Batch:
        """Return some of the samples as a batch; a single one as a batch of one.

        Raises:
            IndexError: if there is no sample of that number.
        """
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"there is no sample {index} among {len(self)}")
            index = torch.tensor([index])
        return Batch({name: x[index] for name, x in self.values.items()}, self.present[index])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return tuple(self.values)

    def align(self, modalities: Iterable[Modality]) -> Batch:
        """Return the same samples with a model's modalities, in the model's order.

        Everything that a model computes from a batch begins with this, so that the order of a
        batch never matters. Modalities that the batch lacks are missing. Those that the model does
        not know are left out where no sample has them: nothing that is evidence is ignored.

        Raises:
            ValueError: if a sample has a modality that the model does not know, or values are of
                another shape or type than the model's.

        Example:
            >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
            >>> point = Modality(name="point", kind="vector", shape=(2,), likelihood="gaussian")
            >>> batch = Batch.of([digit], {"label": [3]}).align([point, digit])
            >>> batch.names, batch.present.tolist()
            (('point', 'label'), [[False, True]])
        """
        modalities = tuple(modalities)
        names = tuple(m.name for m in modalities)
        for m in modalities:
            x = self.values.get(m.name)
            if x is not None and x.shape[1:] != m.event_shape:
                raise ValueError(
                    f"a sample of {m.name} is of shape {m.event_shape} to this model, not of "
                    f"{tuple(x.shape[1:])}"
                )
            if x is not None and x.is_floating_point() != m.dtype.is_floating_point:
                raise ValueError(f"{m.name} is {m.dtype} to this model, not {x.dtype}")
        if names == self.names:
            return self
        for name in self.names:
            if name not in names and self.there(name).any():
                raise ValueError(
                    f"this model has no modality called {name!r}, only {', '.join(names)}: leave "
                    f"it out with batch.supply"
                )
        absent = self.present.new_zeros(len(self))
        return Batch(
            {
                m.name: self.values[m.name]
                if m.name in self.values
                else torch.zeros(len(self), *m.event_shape, dtype=m.dtype, device=absent.device)
                for m in modalities
            },
            torch.stack([self.there(n) if n in self.values else absent for n in names], 1),
        )

    def there(self, name: str) -> Tensor:
        """Return which samples have a modality, bool ``(B,)``.

        Raises:
            ValueError: if no modality of the batch has that name.
        """
        if name not in self.values:
            raise ValueError(f"no modality is called {name!r}: there are {', '.join(self.names)}")
        return self.present[:, self.names.index(name)]

    def require(self, names: Iterable[str]) -> None:
        """Check that every sample has these modalities.

        Raises:
            ValueError: if a sample lacks one, or no modality of the batch has that name.
        """
        for name in names:
            if not (there := self.there(name)).all():
                lacking = "the sample" if len(self) == 1 else f"sample {int((~there).nonzero()[0])}"
                raise ValueError(f"{lacking} has no {name}")

    def filled(self, name: str) -> Tensor:
        """Return a modality's values with zeros where it is missing, ``(B, *event shape)``.

        A NaN there would reach the gradients of whatever encodes it.

        Raises:
            ValueError: if no modality of the batch has that name.
        """
        there, x = self.there(name), self.values[name]
        there = there.reshape(-1, *[1] * (x.ndim - 1))
        return torch.where(there, x, torch.zeros((), dtype=x.dtype, device=x.device))

    def mask(self, subsets: Sequence[Iterable[str]]) -> Tensor:
        """Give the masks of several subsets at once, ``(S, B, M)``: in the subset and present.

        Raises:
            ValueError: if a subset names a modality that is not in the batch.
        """
        wanted = [set(subset) for subset in subsets]
        if unknown := sorted(set().union(*wanted) - set(self.names)):
            raise ValueError(
                f"no modality is called {unknown[0]!r}: there are {', '.join(self.names)}"
            )
        rows = torch.tensor([[name in subset for name in self.names] for subset in wanted])
        return rows.to(self.present.device).reshape(-1, 1, len(self.names)) & self.present

    def supply(self, subset: Iterable[str]) -> Batch:
        """Keep only the named modalities as evidence."""
        return Batch(self.values, self.mask([subset])[0])
