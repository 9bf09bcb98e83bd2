"""Positions of examples in latent space, and two-dimensional maps of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.distributions.gaussian import Gaussian
from mvae.files import CheckpointError, load_tensors, save_listed, sha256
from mvae.models.base import ExpertModel
from mvae.search_path import find, folder_of

__all__ = [
    "LatentMap",
    "PosteriorPool",
    "fit_umap",
    "load_map",
    "place",
    "pool_posteriors",
    "posterior_means",
    "principal_axes",
    "write_map",
]

#: Number of neighbours from which the position of a new point is interpolated.
NEIGHBOURS = 5


@torch.no_grad()
def posterior_means(model: ExpertModel, samples: Batch, evidence: Iterable[str]) -> Tensor:
    """Return the mean of q(z|X_S) for every sample, ``(B, D)``.

    Args:
        model: any model with experts.
        samples: B samples.
        evidence: S; a modality that a sample lacks is left out for that sample.

    Raises:
        ValueError: if a modality in the evidence is unknown.
    """
    return model.posterior(samples.align(model.modalities).supply(evidence)).mean


def principal_axes(means: Tensor) -> Tensor:
    """Return the two orthonormal directions along which points ``(B, D)`` vary most, ``(2, D)``.

    These are the first right singular vectors of the centred points. Their signs, which are
    arbitrary, are chosen such that the largest component of each is positive.

    Raises:
        ValueError: if there are fewer than two points or fewer than two dimensions.

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
class PosteriorPool:
    """The posteriors that a map shows: given each single modality, and given all of them.

    Equal evidence gives equal posteriors, which are stored once: a label alone has one posterior
    for each category, however many samples there are.

    Args:
        subsets: S subsets: each single modality in the order of the model, then all together.
        rows: index of the posterior of sample b given subset s, ``(S, B)``, less than P.
        posteriors: the distinct posteriors, ``(P, D)``.
    """

    subsets: tuple[tuple[str, ...], ...]
    rows: Tensor
    posteriors: Gaussian


@torch.no_grad()
def pool_posteriors(model: ExpertModel, samples: Batch) -> PosteriorPool:
    """Infer the posterior of every sample given each single modality, and given all of them.

    Args:
        model: any model with experts.
        samples: B samples, at least one.

    Raises:
        ValueError: if there is no sample, or a modality of the samples is unknown to the model.

    Example:
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> pool = pool_posteriors(model, load_samples("mnist", model.modalities))
        >>> pool.subsets, pool.posteriors.shape  # 500 images, 10 labels, 500 pairs
        ((('image',), ('label',), ('image', 'label')), torch.Size([1010, 64]))
    """
    if not len(samples):
        raise ValueError("there is no sample to infer anything from")
    samples = samples.align(model.modalities)
    subsets = tuple(dict.fromkeys([*((name,) for name in samples.names), samples.names]))
    rows, means, logvars, count = [], [], [], 0
    for subset in subsets:
        first, row = _unique_evidence(samples.supply(subset))
        q = model.posterior(samples.supply(subset)[first])
        rows.append(row + count)
        means.append(q.mean)
        logvars.append(q.logvar)
        count += len(first)
    return PosteriorPool(subsets, torch.stack(rows), Gaussian(torch.cat(means), torch.cat(logvars)))


def _unique_evidence(evidence: Batch) -> tuple[Tensor, Tensor]:
    """Return the first sample with each distinct evidence, and the evidence of every sample.

    Evidence is compared rather than means, which may differ by rounding.

    Returns:
        Indices of samples, one for each distinct evidence; and for every sample the position of its
        evidence among them, ``(B,)``.
    """
    size, columns = len(evidence), [evidence.present.double()]
    for i, x in enumerate(evidence.values.values()):
        present = evidence.present[:, i : i + 1]
        columns.append(x.reshape(size, -1).double().where(present, 0.0))
    _, row = torch.cat(columns, 1).unique(dim=0, return_inverse=True)
    numbers = torch.arange(size)
    first = torch.full((int(row.max()) + 1,), size).scatter_reduce(0, row, numbers, "amin")
    return first, row


def fit_umap(means: Tensor, seed: int = 0) -> Tensor:
    """Embed points ``(P, D)`` in a plane by UMAP, ``(P, 2)``, which preserves neighbourhoods.

    Distances between groups that are far apart mean little in the embedding. McInnes, Healy &
    Melville (2018), https://arxiv.org/abs/1802.03426. The same points and seed give the same
    embedding on the same machine. It takes seconds and imports a compiler, so the app never calls
    this function.

    Raises:
        ValueError: if there are fewer than four points.
    """
    if len(means) < 4:
        raise ValueError(f"a map needs at least four points, not {len(means)}")
    from umap import UMAP  # slow to import, and slows garbage collection in Streamlit

    layout = UMAP(n_neighbors=min(15, len(means) - 1), random_state=seed, n_jobs=1)
    return torch.from_numpy(layout.fit_transform(means.numpy())).float()


def place(means: Tensor, known: Tensor, positions: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    r"""Place new points on a map, by interpolation between their nearest known neighbours.

    .. math:: y = \frac{\sum_{i \in N_k} y_i / d_i^2}{\sum_{i \in N_k} 1 / d_i^2},
              \qquad d_i = \lVert \mu - \mu_i \rVert

    The weights are Shepard's inverse distances to the k nearest known points,
    https://doi.org/10.1145/800186.810616. A point that coincides with known ones gets exactly their
    position.

    Args:
        means: means of the new points, ``(B, D)``.
        known: means that the map was fitted to, ``(P, D)``.
        positions: positions of the known means on the map, ``(P, 2)``.
        neighbours: k; all known points are used if there are fewer.

    Returns:
        Tensor: ``(B, 2)``, in the units of the map, within the convex hull of the known positions.

    Raises:
        ValueError: if there are no known points, or k is not positive.

    Example:
        >>> known, positions = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0, 0.0], [10.0, 0.0]])
        >>> place(torch.tensor([[0.0], [0.5]]), known, positions).tolist()
        [[0.0, 0.0], [5.0, 0.0]]
    """
    if not len(known) or neighbours < 1:
        raise ValueError(
            f"at least one known point and one neighbour are needed, not {len(known)} and "
            f"{neighbours}"
        )
    # Computed by matrix products, the distance of a point from itself would not be exactly 0.
    exact = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(means, known, compute_mode=exact)  # (B, P)
    nearest, indices = distances.topk(min(neighbours, len(known)), largest=False)  # (B, k)
    # Relative to the nearest distance, so that nothing overflows; 1 where a point coincides.
    weights = torch.where(nearest == 0, 1.0, nearest[:, :1] / nearest).square()
    weights = weights / weights.sum(-1, keepdim=True)
    return (weights.unsqueeze(-1) * positions[indices]).sum(1)


@dataclass(frozen=True)
class LatentMap:
    """Two maps of a model's pooled posteriors: by UMAP, and along the principal axes.

    Args:
        pool: the P posteriors.
        umap: positions of their means by UMAP, ``(P, 2)``, in arbitrary units.
        axes: principal axes of the pooled means, ``(2, D)``.
    """

    pool: PosteriorPool
    umap: Tensor
    axes: Tensor

    @property
    def pca(self) -> Tensor:
        """Coordinates of the pooled means along the principal axes, ``(P, 2)``."""
        return self._project(self.pool.posteriors.mean)

    def place(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the positions of posterior means ``(B, D)`` on both maps, ``(B, 2)`` each.

        Positions by UMAP are interpolated by :func:`place`; those along the principal axes are
        exact projections.

        Example:
            >>> chart = load_map("mnist", "mvae-cover")
            >>> umap, pca = chart.place(chart.pool.posteriors.mean[:2])
            >>> bool((umap == chart.umap[:2]).all()), torch.allclose(pca, chart.pca[:2], atol=1e-5)
            (True, True)
        """
        return place(means, self.pool.posteriors.mean, self.umap), self._project(means)

    def _project(self, means: Tensor) -> Tensor:
        return (means - self.pool.posteriors.mean.mean(0)) @ self.axes.T


def _hashes(dataset: str, model: str, root: Path | None) -> Tensor:
    """Return the hashes of the weights and the examples that a map belongs to, 64 bytes."""
    weights = folder_of(dataset, model, root) / "weights.safetensors"
    paths = weights, find(dataset, "samples.safetensors", root)
    return torch.tensor(list(bytes.fromhex("".join(map(sha256, paths)))), dtype=torch.uint8)


def _load_expert_model(dataset: str, model: str, root: Path | None) -> ExpertModel:
    model_with_experts, _ = load_model(dataset, model, root)
    if not isinstance(model_with_experts, ExpertModel):
        raise CheckpointError(
            f"There is no map of {dataset}/{model}. {model_with_experts.no_experts}"
        )
    return model_with_experts


def write_map(dataset: str, model: str, root: Path | None = None, seed: int = 0) -> int:
    """Fit UMAP to the pooled means of a checkpoint, write map.safetensors, and return their number.

    Raises:
        CheckpointError: if the checkpoint or its examples cannot be loaded.
    """
    model_with_experts = _load_expert_model(dataset, model, root)
    pool = pool_posteriors(
        model_with_experts, load_samples(dataset, model_with_experts.modalities, root)
    )
    tensors = {
        "umap": fit_umap(pool.posteriors.mean, seed),
        "made of": _hashes(dataset, model, root),
    }
    save_listed(folder_of(dataset, model, root) / "map.safetensors", tensors)
    return len(tensors["umap"])


def load_map(dataset: str, model: str, root: Path | None = None) -> LatentMap:
    """Load the map of a checkpoint, inferring its means again, which takes a moment.

    Raises:
        CheckpointError: if the map is damaged, or there is none for exactly these weights and
            examples; the message names the command that creates it.
    """
    command = f"`python -m mvae map {dataset}/{model}` makes it"
    model_with_experts = _load_expert_model(dataset, model, root)
    samples = load_samples(dataset, model_with_experts.modalities, root)
    path = folder_of(dataset, model, root) / "map.safetensors"
    if not path.exists():
        raise CheckpointError(f"There is no map of {dataset}/{model}; {command}.")
    tensors = load_tensors(path)
    made_of, umap = tensors.get("made of"), tensors.get("umap")
    if made_of is None or umap is None:
        raise CheckpointError(f"The map of {dataset}/{model} is damaged; {command} again.")
    if not made_of.equal(_hashes(dataset, model, root)):
        raise CheckpointError(
            f"The map of {dataset}/{model} was made of other weights or examples; {command} again."
        )
    pool = pool_posteriors(model_with_experts, samples)
    if umap.shape != (len(pool.posteriors.mean), 2) or not umap.isfinite().all():
        raise CheckpointError(f"The map of {dataset}/{model} is damaged; {command} again.")
    try:
        return LatentMap(pool, umap.float(), principal_axes(pool.posteriors.mean))
    except ValueError as error:
        raise CheckpointError(f"There is no map of {dataset}/{model}: {error}.") from None
