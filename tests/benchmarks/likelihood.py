"""Joint log-likelihood, K = 1,000, beside MultiVae's: ``python tests/benchmarks/likelihood.py``.

In an environment of its own with ``torch==2.13.0``, ``multivae==1.0.3`` and this project's
requirements. Both score the same MNIST-shaped samples with the very same networks and weights, in
turns, in one process; the last figure is the share of the fastest matrix product that the machine
was measured to do, as far as decoding is concerned.
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

from mvae.checkpoint import load_model, load_samples
from mvae.evaluation.likelihood import log_likelihood
from mvae.modality import Batch
from mvae.model import MVAE
from tests.benchmarks.in_multivae import one_hot, wrap

DRAWS, POINTS, WARM_UP, REPEATS = 1000, 64, 1, 5


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


def seconds(work: Callable[[], object]) -> float:
    """Measure one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def peak() -> float:
    """Give the fastest of some matrix products of the decoder's size, in operations a second."""
    best = 0.0
    for rows in (1000, 4000, 16_000):
        a, b = torch.randn(rows, 512), torch.randn(784, 512)
        times = [seconds(lambda a=a, b=b: nn.functional.linear(a, b)) for _ in range(20)]
        best = max(best, 2 * rows * 512 * 784 / min(times))
    return best


def main() -> None:
    """Score in turns and print medians and their ratio."""
    model, _ = load_model("mnist", "mvae")
    assert isinstance(model, MVAE)
    batch = load_samples("mnist", model.modalities)[slice(0, POINTS)]
    other = theirs(model)
    source = torch.Generator().manual_seed(0)
    times: dict[str, list[float]] = {"mvae": [], "multivae": []}
    ours, others = log_likelihood(model, batch, DRAWS, source).value.mean(), other(batch)
    for _ in range(WARM_UP + REPEATS):
        times["mvae"].append(seconds(lambda: log_likelihood(model, batch, DRAWS, source)))
        times["multivae"].append(seconds(lambda: other(batch)))
    medians = {name: statistics.median(each[WARM_UP:]) for name, each in times.items()}
    for name, value in medians.items():
        print(f"{name}_points_per_second: {POINTS / value:.1f}")
    weights = sum(w.numel() for d in model.decoders for w in d.parameters() if w.ndim == 2)
    done = 2 * weights * DRAWS * POINTS / medians["mvae"]
    print(f"threads: {torch.get_num_threads()}")
    print(f"mean_log_p: {ours:.2f} (ours), {others:.2f} (multivae)")
    print(f"share_of_matrix_peak: {done / peak():.2f}")
    print(f"joint_nll_ratio_vs_multivae: {medians['multivae'] / medians['mvae']:.2f}")


if __name__ == "__main__":
    main()
