"""Time of an exact posterior and its gap, an input: ``python tests/benchmarks/exact.py``.

Every bundled model with two latents, over bundled test examples and all subsets of modalities,
after the coarse grid is decoded. Beside it, in the same run, the model's own posterior.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mvae.analysis.inference import infer
from mvae.batch import Batch
from mvae.checkpoint import available, load_model, load_samples
from mvae.evaluation.conditioning_sets import subsets_of
from mvae.evaluation.exact_posterior import ExactInference, has_exact_posterior

WARM_UP, REPEATS = 20, 150


def milliseconds(cache: Callable[[], object]) -> float:
    """Measure one call."""
    begun = time.perf_counter()
    cache()
    return 1000 * (time.perf_counter() - begun)


def gap(exact: ExactInference, sample: Batch, evidence: tuple[str, ...]) -> float:
    """Infer, and measure how far the model's posterior is from it."""
    found = exact(sample, evidence)
    return found.kl_from(found.q)


def measure() -> None:
    """Print median, 95th percentile and the ratio to the model's own inference."""
    print(f"threads: {torch.get_num_threads()}")
    for dataset, names in available().items():
        for name in names:
            model, _ = load_model(dataset, name)
            if not has_exact_posterior(model):
                continue
            samples, exact = load_samples(dataset, model.modalities), ExactInference(model)
            subsets = subsets_of(samples.names, smallest=1)
            times, own = [], []
            for i in range(WARM_UP + REPEATS):
                sample, evidence = samples[slice(i, i + 1)], subsets[i % len(subsets)]

                times.append(milliseconds(partial(gap, exact, sample, evidence)))
                own.append(milliseconds(partial(infer, model, sample, evidence)))
            times, own = times[WARM_UP:], own[WARM_UP:]
            label = f"exact_{dataset}_{name}"
            print(f"{label}_median_ms: {statistics.median(times):.1f}")
            print(f"{label}_p95_ms: {statistics.quantiles(times, n=20)[-1]:.1f}")
            print(
                f"{label}_ratio_to_belief: {statistics.median(times) / statistics.median(own):.1f}"
            )


def main() -> None:
    """Measure with one thread, as the app runs, and with two."""
    for threads in (1, 2):
        torch.set_num_threads(threads)
        measure()


if __name__ == "__main__":
    main()
