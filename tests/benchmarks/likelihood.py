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

from mvae import vision
from mvae.checkpoint import load_model, load_samples
from mvae.evaluation.likelihood import log_likelihood
from mvae.modality import Batch
from mvae.model import MVAE

DRAWS, POINTS, WARM_UP, REPEATS = 1000, 64, 1, 5


def theirs(model: MVAE) -> Callable[[Batch], Tensor]:
    """Put the model's own networks into MultiVae's MVAE, and give its estimator."""
    vision.datasets()  # a torchvision that does not fit torch is mended first
    import multivae.models
    from multivae.data.datasets import MultimodalBaseDataset
    from multivae.models.base import BaseDecoder, BaseEncoder, ModelOutput

    class Reads(BaseEncoder):
        def __init__(self, net: nn.Module, label: bool) -> None:
            super().__init__()
            self.net, self.label, self.latent_dim = net, label, model.latents

        def forward(self, x: Tensor) -> ModelOutput:
            q = self.net(x.argmax(-1) if self.label else x)
            return ModelOutput(embedding=q.mean, log_covariance=q.logvar)

    class Writes(BaseDecoder):
        def __init__(self, net: nn.Module, shape: tuple[int, ...]) -> None:
            super().__init__()
            self.net, self.shape = net, shape

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.net.net(z).reshape(*z.shape[:-1], *self.shape))

    names = [m.name for m in model.modalities]
    labels = [m.kind == "label" for m in model.modalities]
    config = multivae.models.MVAEConfig(
        n_modalities=len(names),
        latent_dim=model.latents,
        input_dims={m.name: m.shape for m in model.modalities},
        decoders_dist={
            m.name: "categorical" if m.kind == "label" else "bernoulli" for m in model.modalities
        },
    )
    encoders = {n: Reads(e, of) for n, e, of in zip(names, model.encoders, labels, strict=True)}
    decoders = {
        m.name: Writes(d, m.shape) for m, d in zip(model.modalities, model.decoders, strict=True)
    }
    other = multivae.models.MVAE(config, encoders, decoders).eval()

    def score(batch: Batch) -> Tensor:
        one_hot = {
            n: nn.functional.one_hot(x, 10).float() if of else x
            for (n, x), of in zip(batch.values.items(), labels, strict=True)
        }
        with torch.no_grad():
            result: Tensor = -other.compute_joint_nll(
                MultimodalBaseDataset(one_hot), K=DRAWS, batch_size_K=DRAWS
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
