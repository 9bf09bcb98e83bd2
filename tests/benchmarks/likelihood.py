"""Joint log-likelihood, K = 1,000, beside MultiVae's: ``python tests/benchmarks/likelihood.py``.

In an environment of its own with ``torch==2.13.0``, ``multivae==1.0.3`` and this project's
requirements. Both score the same MNIST samples with the very same networks and weights, in turns,
in one process, on one thread. Decoding is matrix products: beside the ratio stands what share of
the rate of bare products, measured in the same turns, is reached by all of it together.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.evaluation.log_likelihood import log_likelihood
from mvae.models.mvae import MVAE
from tests.benchmarks.in_multivae import one_hot, wrap

DRAWS, POINTS, WARM_UP, REPEATS = 1000, 64, 2, 9
#: Of the matrix products that tell the peak: as many rows, and the shape of the last layer.
ROWS, WIDE, PIXELS = (1000, 4000, 16_000), 512, 784


def theirs(model: MVAE) -> Callable[[Batch], Tensor]:
    """Put the model's own networks into MultiVae's MVAE, and give its estimator."""
    other = wrap(model).eval()

    def score(batch: Batch) -> Tensor:
        with torch.no_grad():
            result: Tensor = -other.compute_joint_nll(
                one_hot(batch, model), K=DRAWS, batch_size_K=DRAWS
            )
        return result / len(batch)

    return score


def seconds(cache: Callable[[], object]) -> float:
    """Measure one call."""
    begun = time.perf_counter()
    cache()
    return time.perf_counter() - begun


def product(rows: int) -> Callable[[], object]:
    """Give a matrix product of the decoder's widest layer, without anything around it."""
    a, b = torch.randn(rows, WIDE), torch.randn(PIXELS, WIDE)
    return lambda: nn.functional.linear(a, b)


def main() -> None:
    """Score in turns and print medians and their ratio."""
    torch.set_num_threads(1)
    model, _ = load_model("mnist", "mvae")
    assert isinstance(model, MVAE)
    batch = load_samples("mnist", model.modalities)[slice(0, POINTS)]
    other = theirs(model)
    ours, others = log_likelihood(model, batch, DRAWS).value.mean(), other(batch)
    turns: dict[str, Callable[[], object]] = {
        "mvae": lambda: log_likelihood(model, batch, DRAWS),
        "multivae": lambda: other(batch),
        **{f"product {rows}": product(rows) for rows in ROWS},
    }
    times: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(WARM_UP + REPEATS):
        for name, cache in turns.items():
            times[name].append(seconds(cache))
    medians = {name: statistics.median(each[WARM_UP:]) for name, each in times.items()}
    for name in ("mvae", "multivae"):
        print(f"{name}_points_per_second: {POINTS / medians[name]:.1f}")
    weights = sum(w.numel() for d in model.decoders for w in d.parameters() if w.ndim == 2)
    done = 2 * weights * DRAWS * POINTS / medians["mvae"]
    peak = max(2 * rows * WIDE * PIXELS / medians[f"product {rows}"] for rows in ROWS)
    print(f"mean_log_p: {ours:.2f} (ours), {others:.2f} (multivae)")
    print(f"matrix_peak_gflops: {peak / 1e9:.0f}")
    print(f"share_of_matrix_peak: {done / peak:.2f}")
    print(f"joint_nll_ratio_vs_multivae: {medians['multivae'] / medians['mvae']:.2f}")


if __name__ == "__main__":
    main()
