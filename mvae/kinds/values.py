"""People's values as tensors: arrays, lists, names of categories, sentences; and what is missing.

A modality states its support, :attr:`mvae.modality.Modality.support`. What lies outside of it is
refused here, where it enters, with what was found and what to do: under a likelihood that is made
for other numbers, training would seem to succeed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import constraints

from mvae.errors import InputError
from mvae.kinds.base import quoted
from mvae.kinds.registry import KINDS

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["checked", "mask_of", "values_of"]

#: Samples that are checked at once: a mask of a whole data set would take much memory.
ROWS = 4096


def values_of(m: Modality, data: Any) -> tuple[Tensor, Tensor]:
    """Return what people give for a modality as a tensor, and which samples have it.

    Args:
        m: the modality.
        data: a tensor, an array or a sequence, with one value a sample. A category may be given
            by its name, tags by the list of those that are there, a text as a string. None is
            missing, and so is a sample that is NaN throughout.

    Returns:
        tuple: values ``(B, *event shape)``, not yet held to the support; and bool ``(B,)``.

    Raises:
        ValueError: if they are of another shape, or a name or a text is not the modality's.
    """
    if hasattr(data, "to_numpy"):  # a table's column, or a table
        data = data.to_numpy()
    if isinstance(data, str | bytes) or not hasattr(data, "__len__"):
        raise ValueError(f"{m.name} needs one value a sample, in a list; got {quoted(data)}")
    there = torch.ones(len(data) if getattr(data, "ndim", 1) else 0, dtype=torch.bool)
    x = data if isinstance(data, Tensor) else _numbers(data)
    if x is None:
        there = torch.tensor([not _missing(row) for row in data], dtype=torch.bool)
        x = _stacked(m, data)
    if x.is_complex():
        raise ValueError(f"{m.name} must be real numbers, not {x.dtype}")
    if x.shape != (len(there), *m.event_shape):
        raise ValueError(
            f"{m.name} must be of shape {(len(there), *m.event_shape)}, not {tuple(x.shape)}"
        )
    there = there.to(x.device)
    if x.is_floating_point():
        there = there & ~x.isnan().reshape(len(x), math.prod(m.event_shape)).all(1)
    return x, there


def mask_of(names: Sequence[str], present: Any, size: int) -> dict[str, Tensor]:
    """Return a mask by modality, bool ``(B,)`` each.

    Args:
        names: of the modalities, in the order of a matrix's columns.
        present: a mapping from names to which samples have the modality, where those that it does
            not name follow from their values; or a matrix ``(B, M)``.
        size: B.

    Raises:
        ValueError: if the mask is not boolean, of another shape, or names an unknown modality.
    """
    if not isinstance(present, Mapping):
        matrix = _mask("the mask", present, (size, len(names)))
        return dict(zip(names, matrix.unbind(1), strict=True))
    if unknown := [name for name in present if name not in names]:
        raise ValueError(f"the mask names {unknown[0]!r}, and there are only {', '.join(names)}")
    return {n: _mask(f"the mask of {n}", x, (size,)) for n, x in present.items()}


def checked(m: Modality, x: Tensor, there: Tensor) -> Tensor:
    """Return values in the modality's type, zero where missing, ``(B, *event shape)``.

    Raises:
        ValueError: if a sample that is there has a value outside of the modality's support.
    """
    outside = torch.cat([_outside(m, part) for part in x.split(ROWS)]) & there
    if outside.any():
        raise ValueError(_refusal(m, x, there, int(outside.nonzero()[0])))
    x = x.to(m.dtype)
    if there.all():
        return x
    return torch.where(there.reshape(-1, *[1] * (x.ndim - 1)), x, x.new_zeros(()))


def _outside(m: Modality, x: Tensor) -> Tensor:
    """Return which samples have a value outside of the support, or too large for the type."""
    fits: Tensor = m.support.check(x) & x.to(m.dtype).isfinite()
    return ~fits.reshape(len(x), math.prod(m.event_shape)).all(1)


def _refusal(m: Modality, x: Tensor, there: Tensor, row: int) -> str:
    """Write what was expected, what was found, and the remedy."""
    own = x[row].flatten()
    value = own[(~(m.support.check(own) & own.to(m.dtype).isfinite())).nonzero()[0, 0]].item()
    if not math.isfinite(value) or m.support is constraints.real:
        return (
            f"{m.name} must be finite, and sample {row} has {value:g}: replace it, or mark the "
            f"whole sample as missing, by None or by the mask"
        )
    known = x[there]
    known = known[known.isfinite()]
    low, high = known.min().item(), known.max().item()
    found = f"sample {row} has {value:g}, and all values lie between {low:g} and {high:g}"
    kind = KINDS[m.kind]
    return f"{m.name} must be {kind.required(m)}: {found}; {kind.remedy(m, known)}"


def _mask(what: str, present: Any, shape: tuple[int, ...]) -> Tensor:
    mask = present if isinstance(present, Tensor) else _numbers(present)
    if mask is None or mask.dtype != torch.bool or mask.shape != shape:
        found = "something else" if mask is None else f"{mask.dtype} of shape {tuple(mask.shape)}"
        raise ValueError(f"{what} must be bool of shape {shape}, not {found}")
    return mask


def _numbers(data: Any) -> Tensor | None:
    """Return numbers as a tensor; None where they are none, or have to be looked at one by one."""
    if not isinstance(data, np.ndarray):
        if any(isinstance(row, Tensor) for row in data):
            return None
        try:
            data = np.asarray(data)
        except ValueError:  # of different lengths
            return None
    if data.dtype.kind not in "biufc" or data.shape == (0,):
        return None
    return torch.from_numpy(np.array(data, data.dtype.newbyteorder("="), order="C"))


def _missing(row: Any) -> bool:
    return row is None or (isinstance(row, float) and math.isnan(row))


def _stacked(m: Modality, data: Iterable[Any]) -> Tensor:
    """Put values together that stand one by one; zeros where they are missing."""
    rows = []
    for i, row in enumerate(data):
        try:
            x = torch.zeros(m.event_shape) if _missing(row) else KINDS[m.kind].encode(m, row)
        except (ValueError, InputError) as error:
            raise ValueError(f"sample {i} of {m.name}: {error}") from None
        if x.shape != m.event_shape:
            raise ValueError(
                f"sample {i} of {m.name} must be of shape {m.event_shape}, not {tuple(x.shape)}"
            )
        rows.append(x.double())
    return torch.stack(rows) if rows else torch.zeros(0, *m.event_shape)
