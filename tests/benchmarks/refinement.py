"""Cost of a refined proposal: ``python tests/benchmarks/refinement.py mvae mvae-cover``.

The joint log p of bundled MNIST test samples, K = 1,000, is estimated in turns by the refined
proposal of `log_likelihood` and by 98 % q(z|X_S) and 2 % p(z) alone. After a warm-up the CPU time
of each turn is taken; printed are the medians a sample and the median ratio of a turn.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.log_likelihood import CHUNK, log_likelihood, log_p_given_latents
from mvae.models.base import LatentModel

SAMPLES, DRAWS, TURNS, SHARE = 20, 1000, 7, 0.02


@torch.no_grad()
def unrefined(model: LatentModel, batch: Batch) -> Tensor:
    """Estimate log p of each sample with draws of 98 % q(z|X_S) and 2 % p(z), ``(B,)``."""
    found = []
    for b in range(len(batch)):
        sample = batch[b]
        q, prior = model.proposal(sample), Gaussian.standard((1, model.latents))
        few = round(SHARE * DRAWS)
        z = torch.cat([q.sample(DRAWS - few), prior.sample(few)])
        parts = torch.stack([q.log_prob(z), prior.log_prob(z)])
        shares = torch.tensor([1 - SHARE, SHARE]).log().reshape(2, 1, 1)
        log_q = (parts + shares).logsumexp(0)
        log_p = torch.cat([log_p_given_latents(model, part, sample) for part in z.split(CHUNK)])
        found.append((log_p + prior.log_prob(z) - log_q).logsumexp(0) - torch.tensor(DRAWS).log())
    return torch.cat(found)


def seconds(run: Callable[[], object]) -> float:
    """Return the CPU time of a call, in seconds."""
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Print a line for each model."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ["mvae"]:
        model, _ = load_model("mnist", name)
        assert isinstance(model, LatentModel)
        batch = load_samples("mnist", model.modalities)[slice(0, SAMPLES)]
        turns = []
        for turn in range(TURNS + 1):
            plain = seconds(lambda model=model, batch=batch: unrefined(model, batch))
            refined = seconds(
                lambda model=model, batch=batch, seed=turn: log_likelihood(
                    model, batch, DRAWS, seed
                )
            )
            turns.append((refined, plain))
        warm = turns[1:]
        ratio = statistics.median(a / b for a, b in warm)
        refined, plain = (1000 * statistics.median(x) / SAMPLES for x in zip(*warm, strict=True))
        print(
            f"{name}: {refined:.1f} ms a sample refined, {plain:.1f} ms unrefined, "
            f"ratio {ratio:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
