"""DAE, a point for a code: against its formula in loops."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
import torch
from scipy import stats
from torch import Tensor

from mvae.batch import Batch
from mvae.evaluation.log_likelihood import log_likelihood
from mvae.models.dae import DAE, DAEObjective
from tests.reference import (
    HOLES,
    assert_same_loss_and_gradients,
    log_p,
    seeded,
    subsets_of,
    there,
)

pytestmark = pytest.mark.usefixtures("float64")


def code_of(model: DAE, batch: Batch, b: int, given: list[str] | tuple[str, ...]) -> Tensor:
    """Encode a sample; a missing modality's pathway gives zeros."""
    parts = []
    for name, pathway in model.encoder.pathways.items():
        part = pathway(batch.values[name][b : b + 1])[0]
        parts.append(part if name in given else torch.zeros_like(part))
    return model.encoder.shared(torch.cat(parts))


def test_what_is_missing_enters_the_code_as_zeros(toy_model, toy_batch):
    model, batch = toy_model(kind=DAE), toy_batch(n=2)
    for given in subsets_of(batch.names):
        evidence = batch.supply(given)
        for name in set(batch.names) - set(given):
            x = evidence.values[name].clone()
            x[:] = math.nan if x.is_floating_point() else -100
            evidence = Batch({**evidence.values, name: x}, evidence.present)
        for b in range(2):
            torch.testing.assert_close(model.code(evidence)[b], code_of(model, batch, b, given))


def test_dae_reconstructs_everything_from_all_or_one(toy_model, toy_batch, monkeypatch):
    model, batch, given = toy_model(kind=DAE), toy_batch(n=6, present=HOLES), []
    code = DAE.code

    def spy(self, evidence):
        given.append(evidence.present)
        return code(self, evidence)

    monkeypatch.setattr(DAE, "code", spy)
    loss = DAEObjective()(model, batch, 0.5, seeded())
    expected = torch.zeros(())
    for b in range(6):
        names = [n for n, here in zip(batch.names, given[0][b], strict=True) if here]
        assert names in ([[name] for name in there(batch, b)] + [there(batch, b)])
        expected = expected - log_p(model, batch, b, code_of(model, batch, b, names)) / 6
    assert_same_loss_and_gradients(model, loss, expected)

    score = DAEObjective().score(model, batch)
    for b in range(6):
        # In place of a single modality that a sample lacks, all that it has is given.
        whole = there(batch, b)
        kinds = [whole, *([n] if n in whole else whole for n in batch.names)]
        fits = [log_p(model, batch, b, code_of(model, batch, b, k), weighted=False) for k in kinds]
        torch.testing.assert_close(score[b], torch.stack(fits).mean())


def test_all_and_each_alone_are_set_aside_equally_often(toy_model, toy_batch, monkeypatch):
    given, code = [], DAE.code
    monkeypatch.setattr(DAE, "code", lambda self, x: given.append(x.present) or code(self, x))
    DAEObjective()(toy_model(kind=DAE), toy_batch(n=5000), 1.0, seeded())
    counts = Counter(map(tuple, given[0].tolist()))
    kinds = {(True,) * 4, *(tuple(row) for row in torch.eye(4, dtype=torch.bool).tolist())}
    assert set(counts) == kinds
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


@torch.no_grad()
def test_dae_draws_nothing_and_refuses_to_make_something_of_nothing(toy_model, toy_batch):
    model, batch = toy_model(kind=DAE), toy_batch(n=3)
    for name in batch.names:
        one, other = (model.generate(batch.supply([name]), 3, seed) for seed in (0, 1))
        assert list(one) == list(batch.names)
        for n, p in one.items():
            value = batch.values[n]
            torch.testing.assert_close(p.log_prob(value), other[n].log_prob(value))
            torch.testing.assert_close(p.log_prob(value)[0], p.log_prob(value)[2])
    assert model.generate(batch.supply([]), 3) == {}
    assert model.cannot([], "label").startswith("Without evidence")
    with pytest.raises(ValueError, match=re.escape(model.no_likelihood)):
        log_likelihood(model, batch, 30)
