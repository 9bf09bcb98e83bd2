"""Where examples lie in latent space, and the flat maps on which that can be seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.checkpoint import (
    CheckpointError,
    load_model,
    load_samples,
    load_tensors,
    sha256,
)
from mvae.distributions.gaussian import Gaussian
from mvae.files import save_listed
from mvae.models.base import ExpertModel
from mvae.search_path import find, folder_of

__all__ = [
    "MapOfLatents",
    "Pool",
    "fit_umap",
    "load_map",
    "place",
    "pool_means",
    "posterior_means",
    "principal_axes",
    "write_map",
]

#: Neighbours between which a new point is placed.
NEIGHBOURS = 5


@torch.no_grad()
def posterior_means(model: ExpertModel, samples: Batch, evidence: Iterable[str]) -> Tensor:
    """Give the mean of q(z|X_S) for every sample, ``(B, D)``.

    Args:
        model: any model with experts.
        samples: the samples.
        evidence: S; a modality that a sample lacks is left out for that sample.

    Raises:
        ValueError: if evidence names an unknown modality.
    """
    return model.posterior(samples.align(model.modalities).supply(evidence)).mean


def principal_axes(means: Tensor) -> Tensor:
    """Give the two orthonormal directions along which points ``(B, D)`` vary most, ``(2, D)``.

    They are the first right singular vectors of the centred points, each turned so that its
    largest component is positive: otherwise their signs would be a matter of chance.

    Raises:
        ValueError: if there are fewer than two points, or dimensions.

    Example:
        >>> principal_axes(torch.tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 1.0]])).abs().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if means.shape[-1] < 2:
        raise ValueError("a plane needs at least two latent dimensions")
    if len(means) < 2:
        raise ValueError(f"directions of variation need at least two points, not {len(means)}")
    axes: Tensor = torch.linalg.svd(means - means.mean(0), full_matrices=False).Vh[:2]
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return axes * largest.sign()


@dataclass(frozen=True)
class Pool:
    """The posteriors that one map shows: each single modality's, and that of all together.

    Equal evidence gives equal posteriors, so it is kept once: a label alone has one posterior for
    each category, however many samples there are.

    Args:
        subsets: S, each single modality in the order of the model, then all of them together.
        rows: which posterior is sample b's given subset s, ``(S, B)``; a number below P.
        posteriors: the different posteriors, ``(P, D)``.
    """

    subsets: tuple[tuple[str, ...], ...]
    rows: Tensor
    posteriors: Gaussian


@torch.no_grad()
def pool_means(model: ExpertModel, samples: Batch) -> Pool:
    """Infer every sample's posterior given each single modality, and given all of them together.

    Args:
        model: any model with experts.
        samples: B samples, at least one.

    Raises:
        ValueError: if there is no sample, or one has a modality that the model does not know.

    Example:
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> pool = pool_means(model, load_samples("mnist", model.modalities))
        >>> pool.subsets, pool.posteriors.shape  # 500 images, 10 labels, 500 pairs
        ((('image',), ('label',), ('image', 'label')), torch.Size([1010, 64]))
    """
    if not len(samples):
        raise ValueError("there is no sample to infer anything from")
    samples = samples.align(model.modalities)
    subsets = tuple(dict.fromkeys([*((name,) for name in samples.names), samples.names]))
    rows, means, logvars, count = [], [], [], 0
    for subset in subsets:
        first, row = _different(samples.supply(subset))
        q = model.posterior(samples.supply(subset)[first])
        rows.append(row + count)
        means.append(q.mean)
        logvars.append(q.logvar)
        count += len(first)
    return Pool(subsets, torch.stack(rows), Gaussian(torch.cat(means), torch.cat(logvars)))


def _different(evidence: Batch) -> tuple[Tensor, Tensor]:
    """Give the first sample of each different evidence, and for each sample which it has.

    The evidence is compared and not the means, which may differ by rounding.
    """
    size, columns = len(evidence), [evidence.present.double()]
    for i, x in enumerate(evidence.values.values()):
        there = evidence.present[:, i : i + 1]
        columns.append(x.reshape(size, -1).double().where(there, 0.0))
    _, row = torch.cat(columns, 1).unique(dim=0, return_inverse=True)
    numbers = torch.arange(size)
    first = torch.full((int(row.max()) + 1,), size).scatter_reduce(0, row, numbers, "amin")
    return first, row


def fit_umap(means: Tensor, seed: int = 0) -> Tensor:
    """Lay points ``(P, D)`` out in a plane by UMAP, ``(P, 2)``: neighbours stay neighbours.

    Distances between far-apart groups mean little on it. McInnes, Healy & Melville (2018),
    https://arxiv.org/abs/1802.03426. The same points and seed give the same layout on the same
    machine. This takes seconds and imports a compiler, so the app never calls it.

    Raises:
        ValueError: if there are fewer than four points.
    """
    if len(means) < 4:
        raise ValueError(f"a map needs at least four points, not {len(means)}")
    from umap import UMAP  # slow to import, and slows Streamlit's collection of garbage

    layout = UMAP(n_neighbors=min(15, len(means) - 1), random_state=seed, n_jobs=1)
    return torch.from_numpy(layout.fit_transform(means.numpy())).float()


def place(means: Tensor, known: Tensor, positions: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    r"""Place new points on a map, between the nearest of those that lie on it.

    .. math:: y = \frac{\sum_{i \in N_k} y_i / d_i^2}{\sum_{i \in N_k} 1 / d_i^2},
              \qquad d_i = \lVert \mu - \mu_i \rVert

    Shepard's inverse-distance weights over the k nearest, https://doi.org/10.1145/800186.810616.
    A point that coincides with known ones gets their position exactly.

    Args:
        means: of the new points, ``(B, D)``.
        known: means that the map was made of, ``(P, D)``.
        positions: their places on it, ``(P, 2)``.
        neighbours: k; all of them where there are fewer.

    Returns:
        Tensor: ``(B, 2)``, in the map's units, never outside its known positions' convex hull.

    Raises:
        ValueError: if no point is known, or k is not positive.

    Example:
        >>> known, positions = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0, 0.0], [10.0, 0.0]])
        >>> place(torch.tensor([[0.0], [0.5]]), known, positions).tolist()
        [[0.0, 0.0], [5.0, 0.0]]
    """
    if not len(known) or neighbours < 1:
        raise ValueError(
            f"a place lies between known points, at least one of them, not between {neighbours} "
            f"of {len(known)}"
        )
    # By way of products of matrices a point would not even lie at distance 0 from itself.
    exact = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(means, known, compute_mode=exact)  # (B, P)
    nearest, which = distances.topk(min(neighbours, len(known)), largest=False)  # (B, k)
    # Relative to the nearest, so that nothing overflows; 1 where a point coincides.
    weights = torch.where(nearest == 0, 1.0, nearest[:, :1] / nearest).square()
    weights = weights / weights.sum(-1, keepdim=True)
    return (weights.unsqueeze(-1) * positions[which]).sum(1)


@dataclass(frozen=True)
class MapOfLatents:
    """A model's pooled posteriors, laid out twice: by UMAP, and along the principal axes.

    Args:
        pool: the posteriors, P of them.
        umap: their places by UMAP, ``(P, 2)``; the units mean nothing.
        axes: principal axes of the pooled means, ``(2, D)``.
    """

    pool: Pool
    umap: Tensor
    axes: Tensor

    @property
    def pca(self) -> Tensor:
        """Coordinates of the pooled means along the principal axes, ``(P, 2)``."""
        return self._project(self.pool.posteriors.mean)

    def place(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Place posterior means ``(B, D)`` on both layouts, ``(B, 2)`` each.

        On UMAP's by :func:`place`; a projection needs no neighbours, on PCA's it is exact.

        Example:
            >>> chart = load_map("mnist", "mvae-cover")
            >>> umap, pca = chart.place(chart.pool.posteriors.mean[:2])
            >>> bool((umap == chart.umap[:2]).all()), torch.allclose(pca, chart.pca[:2], atol=1e-5)
            (True, True)
        """
        return place(means, self.pool.posteriors.mean, self.umap), self._project(means)

    def _project(self, means: Tensor) -> Tensor:
        return (means - self.pool.posteriors.mean.mean(0)) @ self.axes.T


def _made_of(dataset: str, model: str, root: Path | None) -> Tensor:
    """Give the hashes of the weights and the examples that a map belongs to, 64 bytes."""
    weights = folder_of(dataset, model, root) / "weights.safetensors"
    paths = weights, find(dataset, "samples.safetensors", root)
    return torch.tensor(list(bytes.fromhex("".join(map(sha256, paths)))), dtype=torch.uint8)


def _with_experts(dataset: str, model: str, root: Path | None) -> ExpertModel:
    built, _ = load_model(dataset, model, root)
    if not isinstance(built, ExpertModel):
        raise CheckpointError(f"There is no map of {dataset}/{model}. {built.no_experts}")
    return built


def write_map(dataset: str, model: str, root: Path | None = None, seed: int = 0) -> int:
    """Fit UMAP on a checkpoint's pooled means, write map.safetensors, and give P.

    Raises:
        CheckpointError: if the checkpoint or its examples cannot be used.
    """
    built = _with_experts(dataset, model, root)
    pool = pool_means(built, load_samples(dataset, built.modalities, root))
    tensors = {
        "umap": fit_umap(pool.posteriors.mean, seed),
        "made of": _made_of(dataset, model, root),
    }
    save_listed(folder_of(dataset, model, root) / "map.safetensors", tensors)
    return len(tensors["umap"])


def load_map(dataset: str, model: str, root: Path | None = None) -> MapOfLatents:
    """Load the map of a checkpoint; its means are inferred anew, which takes a moment.

    Raises:
        CheckpointError: if there is none of exactly these weights and examples, saying which
            command makes it, or if it is damaged.
    """
    command = f"`python -m mvae map {dataset}/{model}` makes it"
    built = _with_experts(dataset, model, root)
    samples = load_samples(dataset, built.modalities, root)
    path = folder_of(dataset, model, root) / "map.safetensors"
    if not path.exists():
        raise CheckpointError(f"There is no map of {dataset}/{model}; {command}.")
    tensors = load_tensors(path)
    made_of, umap = tensors.get("made of"), tensors.get("umap")
    if made_of is None or umap is None:
        raise CheckpointError(f"The map of {dataset}/{model} is damaged; {command} again.")
    if not made_of.equal(_made_of(dataset, model, root)):
        raise CheckpointError(
            f"The map of {dataset}/{model} was made of other weights or examples; {command} again."
        )
    pool = pool_means(built, samples)
    if umap.shape != (len(pool.posteriors.mean), 2) or not umap.isfinite().all():
        raise CheckpointError(f"The map of {dataset}/{model} is damaged; {command} again.")
    try:
        return MapOfLatents(pool, umap.float(), principal_axes(pool.posteriors.mean))
    except ValueError as error:
        raise CheckpointError(f"There is no map of {dataset}/{model}: {error}.") from None
