"""What is said in words: which data are likeliest, and how far two agree."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent

from mvae.distributions.autoregressive import Autoregressive, TextDecoder
from mvae.evaluation.accuracy import agreement, coherence, most_probable, predict_value
from mvae.evaluation.retrieval import average_precision, expected_by_chance
from mvae.modality import Modality

LABEL = Modality(name="label", kind="label", shape=(3,), likelihood="categorical")
TAGS = Modality(
    name="tags", kind="tags", shape=(3,), likelihood="bernoulli", categories=("red", "round", "old")
)
TEXT = Modality(
    name="text",
    kind="text",
    shape=(3,),
    likelihood="autoregressive",
    categories=("", "a", "b"),
    hidden=(8,),
)


def test_labels_and_texts_agree_as_a_whole_and_tags_in_part():
    assert agreement(LABEL, torch.tensor([0, 2]), torch.tensor([0, 1])).tolist() == [1, 0]
    tags = torch.tensor([[1.0, 0, 0], [1, 1, 1]]), torch.tensor([[1.0, 0, 0], [0, 0, 1]])
    torch.testing.assert_close(agreement(TAGS, *tags), torch.tensor([1, 1 / 3]))
    said = torch.tensor([[1, 0, 2], [1, 2, 0], [1, 1, 0]])
    known = torch.tensor([[1, 0, 0], [1, 2, 0], [1, 0, 0]])
    # The first two differ only after the end.
    assert agreement(TEXT, said, known).tolist() == [1, 1, 0]


def test_draws_vote_by_their_probabilities_and_not_one_by_one():
    p = Categorical(torch.tensor([[[0.6, 0.4, 0.0]], [[0.0, 0.5, 0.5]], [[0.6, 0.4, 0.0]]]))
    assert predict_value(LABEL, p).tolist() == [
        1
    ]  # though category 0 is the likeliest of two draws
    q = Independent(Bernoulli(torch.tensor([[[0.9, 0.2, 0.4]], [[0.4, 0.7, 0.4]]])), 1)
    assert predict_value(TAGS, q).tolist() == [[1, 0, 0]]


def test_the_text_that_is_told_is_the_likeliest_of_the_draws_texts():
    torch.manual_seed(3)
    speaker = TextDecoder(latents=2, width=8, vocabulary=3)
    with torch.no_grad():
        for weight in speaker.parameters():
            weight.mul_(6)
        p = Autoregressive(speaker(4 * torch.randn(6, 5, 2)), length=3)
        found = predict_value(TEXT, p)
        texts = most_probable(TEXT, p.mean)  # (6, 5, 3)
        for b in range(5):
            scores = {
                tuple(text.tolist()): p.log_prob(text)[:, b].exp().mean().item()
                for text in texts[:, b]
            }
            assert tuple(found[b].tolist()) == max(scores, key=lambda text: scores[text])
        assert len({tuple(text.tolist()) for text in texts.flatten(0, 1)}) > 2


def test_coherence_counts_what_is_to_be_counted():
    seen = {"label": torch.tensor([[0, 1], [0, 0]]), "tags": torch.ones(2, 2, 3)}
    wanted = {"label": torch.tensor([0, 1]), "tags": torch.tensor([[1.0, 1, 1], [1, 0, 0]])}
    counted = {"label": torch.tensor([True, False]), "tags": torch.tensor([True, True])}
    found = coherence((LABEL, TAGS), seen, wanted, counted)
    torch.testing.assert_close(found, torch.tensor([[1, 1 / 3], [1, 1 / 3]]))


def test_average_precision_agrees_with_counting():
    source = torch.Generator().manual_seed(0)
    scores = torch.rand(6, 25, generator=source).round(decimals=1)  # many are equal
    relevant = torch.rand(6, 25, generator=source) < 0.3
    for found, row, hits in zip(
        average_precision(scores, relevant), scores.tolist(), relevant.tolist(), strict=True
    ):
        precisions = [
            sum(h and s >= own for s, h in zip(row, hits, strict=True)) / sum(s >= own for s in row)
            for own, hit in zip(row, hits, strict=True)
            if hit
        ]
        assert found.item() == pytest.approx(sum(precisions) / len(precisions))


def test_average_precision_knows_the_best_the_worst_and_nothing():
    relevant = torch.tensor([[True, True, False, False], [False, False, False, False]])
    best, nothing = average_precision(torch.tensor([[4.0, 3, 2, 1]] * 2), relevant)
    worst, _ = average_precision(torch.tensor([[1.0, 1, 1, 1]] * 2), relevant)
    assert best == 1
    assert worst == 0.5  # where all are equal nothing is found before the end
    assert nothing.isnan()


@pytest.mark.parametrize(("relevant", "items"), [(1, 1), (1, 2), (1, 6), (2, 5), (3, 6), (6, 6)])
def test_what_chance_reaches_is_the_mean_over_all_orders(relevant, items):
    orders = torch.tensor(list(permutations(range(items)))).float()
    asked = (torch.arange(items) < relevant).expand_as(orders)
    expected = average_precision(orders, asked).double().mean().item()
    found = expected_by_chance(torch.tensor([relevant]), torch.tensor([items])).item()
    assert found == pytest.approx(expected, rel=1e-6)
    if relevant < items:
        assert found > relevant / items  # not the prevalence


def test_what_chance_reaches_among_many_is_what_random_scores_reach():
    source = torch.Generator().manual_seed(0)
    relevant = (torch.arange(196) < 4).expand(4000, -1)
    found = average_precision(torch.rand(4000, 196, generator=source), relevant)
    expected = expected_by_chance(torch.tensor([4]), torch.tensor([196])).item()
    assert abs(found.mean().item() - expected) < 4 * found.std().item() / 4000**0.5
    assert expected > 2 * 4 / 196
    assert expected_by_chance(torch.tensor([0]), torch.tensor([196])).isnan().all()
