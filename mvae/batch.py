"""A batch of samples in which any modality may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mvae.kinds.values import checked, mask_of, values_of
from mvae.modality import Modality

__all__ = ["Batch"]


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
            values: modality name to a tensor, an array or a list, with one value per sample, within
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
        """Return the number of samples."""
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
        """Return the masks of several subsets at once, ``(S, B, M)``: in the subset and present.

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
