"""Conversion of users' values to tensors and masks, and checks that they are in the support.

The values of a modality must lie in its support, :attr:`mvae.modality.Modality.support`. They are
checked on input, since training on values outside it would seem to succeed.
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

#: Number of samples checked at once; a mask for a whole data set would take much memory.
ROWS = 4096


def values_of(m: Modality, data: Any) -> tuple[Tensor, Tensor]:
    """Convert users' values of a modality to a tensor and a mask of the samples that have one.

    Args:
        m: the modality.
        data: a tensor, an array or a sequence, with one value per sample. A category may be given
            by its name, tags as a list of those present, and a text as a string. None means
            missing, and so does a sample that consists of NaN only.

    Returns:
        tuple: values ``(B, *event shape)``, whose support is not checked, and a mask, bool
        ``(B,)``.

    Raises:
        ValueError: if the shape is wrong, or a name or a text is not valid for the modality.
    """
    if hasattr(data, "to_numpy"):  # a data frame, or one of its columns
        data = data.to_numpy()
    if isinstance(data, str | bytes) or not hasattr(data, "__len__"):
        raise ValueError(f"{m.name} needs a list with one value per sample; got {quoted(data)}")
    present = torch.ones(len(data) if getattr(data, "ndim", 1) else 0, dtype=torch.bool)
    x = data if isinstance(data, Tensor) else _numbers(data)
    if x is None:
        present = torch.tensor([not _is_missing(row) for row in data], dtype=torch.bool)
        x = _stack(m, data)
    if x.is_complex():
        raise ValueError(f"{m.name} must be real numbers, not {x.dtype}")
    if x.shape != (len(present), *m.event_shape):
        raise ValueError(
            f"{m.name} must be of shape {(len(present), *m.event_shape)}, not {tuple(x.shape)}"
        )
    present = present.to(x.device)
    if x.is_floating_point():
        present = present & ~x.isnan().reshape(len(x), math.prod(m.event_shape)).all(1)
    return x, present


def mask_of(names: Sequence[str], present: Any, size: int) -> dict[str, Tensor]:
    """Return the masks of the modalities by name, bool ``(B,)`` each.

    Args:
        names: the names of the modalities, in the order of the columns of a matrix.
        present: a matrix ``(B, M)``, or a mapping from names to masks ``(B,)``, which may leave
            modalities out; their masks follow from their values.
        size: B, the number of samples.

    Raises:
        ValueError: if the mask is not boolean, of another shape, or names an unknown modality.
    """
    if not isinstance(present, Mapping):
        matrix = _mask("the mask", present, (size, len(names)))
        return dict(zip(names, matrix.unbind(1), strict=True))
    if unknown := [name for name in present if name not in names]:
        raise ValueError(
            f"the mask names {unknown[0]!r}, but the modalities are {', '.join(names)}"
        )
    return {n: _mask(f"the mask of {n}", x, (size,)) for n, x in present.items()}


def checked(m: Modality, x: Tensor, present: Tensor) -> Tensor:
    """Check values, and convert them to the modality's type, with zeros where they are missing.

    Args:
        m: the modality.
        x: values, ``(B, *event shape)``.
        present: which samples have a value, bool ``(B,)``.

    Raises:
        ValueError: if a value that is not missing is outside the modality's support.
    """
    outside = torch.cat([_outside(m, part) for part in x.split(ROWS)]) & present
    if outside.any():
        raise ValueError(_refusal(m, x, present, int(outside.nonzero()[0])))
    x = x.to(m.dtype)
    if present.all():
        return x
    return torch.where(present.reshape(-1, *[1] * (x.ndim - 1)), x, x.new_zeros(()))


def _outside(m: Modality, x: Tensor) -> Tensor:
    """Return which samples have a value outside the support, or too large for the data type."""
    fits: Tensor = m.support.check(x) & x.to(m.dtype).isfinite()
    return ~fits.reshape(len(x), math.prod(m.event_shape)).all(1)


def _refusal(m: Modality, x: Tensor, present: Tensor, row: int) -> str:
    """Return an error message: what was expected, what was found, and the remedy."""
    own = x[row].flatten()
    value = own[(~(m.support.check(own) & own.to(m.dtype).isfinite())).nonzero()[0, 0]].item()
    if not math.isfinite(value) or m.support is constraints.real:
        return (
            f"{m.name} must be finite, but sample {row} has {value:g}: replace it, or mark the "
            f"whole sample as missing, by None or by the mask"
        )
    known = x[present]
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
    """Convert an array of numbers to a tensor; None if the values must be converted one by one."""
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


def _is_missing(row: Any) -> bool:
    return row is None or (isinstance(row, float) and math.isnan(row))


def _stack(m: Modality, data: Iterable[Any]) -> Tensor:
    """Convert values one by one and stack them, with zeros where they are missing."""
    rows = []
    for i, row in enumerate(data):
        try:
            x = torch.zeros(m.event_shape) if _is_missing(row) else KINDS[m.kind].encode(m, row)
        except (ValueError, InputError) as error:
            raise ValueError(f"sample {i} of {m.name}: {error}") from None
        if x.shape != m.event_shape:
            raise ValueError(
                f"sample {i} of {m.name} must be of shape {m.event_shape}, not {tuple(x.shape)}"
            )
        rows.append(x.double())
    return torch.stack(rows) if rows else torch.zeros(0, *m.event_shape)
