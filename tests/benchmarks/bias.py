"""Bias and spread of log p by importance weights: ``python tests/benchmarks/bias.py mvae jmvae``.

The joint log p of 100 bundled MNIST test samples, K = 1,000, by eight seeds, is held against
100,000 draws of a proposal that is refined by more and smaller steps. Printed are the mean
difference, the spread between seeds and the reported standard error (root mean squares over the
samples), and for how many the Pareto shape is above 0.7. The reference has an error of its own,
which is printed too.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.importance import log_mean
from mvae.evaluation.log_likelihood import SCALES, log_likelihood, log_p_given_latents
from mvae.evaluation.population import population_draws
from mvae.evaluation.refinement import refine
from mvae.models.base import LatentModel

SAMPLES, DRAWS, SEEDS = 100, 1000, 8
#: Draws of the reference, and of a part of them; and the steps that refine its proposal.
MANY, PART, STEPS = 100_000, 10_000, (0.7,) * 6 + (0.3,) * 8


@torch.no_grad()
def reference(model: LatentModel, sample: Batch) -> tuple[float, float]:
    """Estimate log p of one sample, and its standard error, by many draws."""
    q, source = model.proposal(sample), torch.Generator().manual_seed(2**40)
    prior = Gaussian.standard((1, model.latents))

    def log_joint(z: Tensor) -> Tensor:
        return log_p_given_latents(model, z, sample) + prior.log_prob(z)

    def terms(z: Tensor) -> dict[str, Tensor]:
        return {"joint": torch.cat([log_joint(part) for part in z.split(1000)])}

    sharp = refine(q, log_joint, [source], STEPS)
    proposals = [q, prior, *map(sharp.widened, SCALES)]
    each = [
        log_mean(draws.log_weights(["joint"]), draws.counts)
        for draws in (
            population_draws(proposals, terms, ["joint"], PART, model.latents, source)
            for _ in range(MANY // PART)
        )
    ]
    values = torch.cat([x.value for x in each])
    error = torch.cat([x.se for x in each]).square().sum().sqrt() / len(each)
    return (values.logsumexp(0) - math.log(len(each))).item(), error.item()


def main() -> None:
    """Print a line for each model."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ["mvae"]:
        model, _ = load_model("mnist", name)
        assert isinstance(model, LatentModel)
        batch = load_samples("mnist", model.modalities)[slice(0, SAMPLES)]
        exact, error = torch.tensor([reference(model, batch[b]) for b in range(SAMPLES)]).T
        found = [log_likelihood(model, batch, DRAWS, seed) for seed in range(SEEDS)]
        value, se, k_hat = (
            torch.stack([getattr(x, n) for x in found]) for n in ("value", "se", "k_hat")
        )
        print(
            f"{name}: bias {(value - exact).mean():+.3f}, spread {value.var(0).mean().sqrt():.3f}, "
            f"reported s.e. {se.square().mean().sqrt():.3f}, k-hat > 0.7 "
            f"{(k_hat > 0.7).double().mean():.1%}; the reference {exact.mean():.3f} ± "
            f"{error.square().sum().sqrt() / SAMPLES:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
