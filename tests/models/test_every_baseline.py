"""What holds for all baselines, whatever they are."""

from __future__ import annotations

import math

import pytest
import torch

from mvae.batch import Batch
from mvae.evaluation.log_likelihood import log_likelihood
from mvae.models.bivcca import BiVCCA, BiVCCAObjective
from mvae.models.cvae import CVAEObjective
from mvae.models.dae import DAEObjective
from mvae.models.jmvae import JMVAE, JMVAEObjective
from mvae.models.mmvae import MMVAE, MMVAEObjective
from mvae.models.mopoe import MoPoE, MoPoEObjective
from mvae.models.mvae_q import MVAEQ, MVAEQObjective
from mvae.models.mvtcae import MVTCAE, MVTCAEObjective
from mvae.models.vae import VAEObjective
from tests.reference import (
    HOLES,
    integral,
    line,
    log_p,
    seeded,
    standard,
)

pytestmark = pytest.mark.usefixtures("float64")


OBJECTIVES = [
    VAEObjective(),
    CVAEObjective(),
    BiVCCAObjective(),
    JMVAEObjective(),
    MVAEQObjective(k=2),
    MMVAEObjective(),
    MoPoEObjective(),
    MVTCAEObjective(),
    DAEObjective(),
]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
def test_a_missing_modalitys_data_influence_neither_loss_nor_generation(
    toy_model, toy_batch, objective
):
    clean = toy_batch(n=6, present=HOLES)
    dirty = Batch({name: x.clone() for name, x in clean.values.items()}, HOLES)
    for i, x in enumerate(dirty.values.values()):
        x[~HOLES[:, i]] = math.nan if x.is_floating_point() else -100
    results = []
    for batch in (clean, dirty):
        model = toy_model(kind=objective.network)
        loss = objective(model, batch, 0.7, seeded())
        loss.backward()
        found = [loss, *(w.grad for w in model.parameters())]
        # Not every model reads every subset, so one sample at a time.
        with torch.no_grad():
            for part in (slice(b, b + 1) for b in range(6)):
                for name, p in model.generate(batch[part], 2, seed=1).items():
                    found.append(model.modality(name).distribution.expected(p))
        results.append(found)
    assert results[0][0].isfinite()
    for one, other in zip(*results, strict=True):
        assert one.isfinite().all()
        assert torch.equal(one, other)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
def test_weights_of_modalities_are_in_a_loss_and_not_in_a_score(
    toy_model, toy_batch, toys, objective
):
    # The model of modalities with λ = 1 has the same weights, and so the same score.
    plain = tuple(m.model_copy(update={"weight": 1.0}) for m in toys)
    batch, scores = toy_batch(n=4), []
    for modalities in (toys, plain):
        model = toy_model(*modalities, kind=objective.network)
        scores.append(objective.score(model, batch, seeded()))
    assert torch.equal(*scores)
    assert scores[0].shape == (4,)
    losses = [
        objective(toy_model(*modalities, kind=objective.network), batch, 1.0, seeded())
        for modalities in (toys, plain)
    ]
    assert losses[0] != losses[1]


@torch.no_grad()
@pytest.mark.parametrize("kind", [BiVCCA, JMVAE, MVAEQ, MMVAE, MoPoE, MVTCAE])
def test_joint_log_p_agrees_with_quadrature_whatever_it_is_drawn_from(toy_model, toy_batch, kind):
    model, batch = toy_model(kind=kind, latents=1, scale=1.4), toy_batch(n=4)
    z = line()
    exact = torch.stack(
        [integral(log_p(model, batch, b, z, weighted=False) + standard(z), z) for b in range(4)]
    )
    estimate = log_likelihood(model, batch, 4000)
    assert ((estimate.value - exact).abs() < 4 * estimate.se + 1e-3).all()
    assert (estimate.se < 0.2).all()
