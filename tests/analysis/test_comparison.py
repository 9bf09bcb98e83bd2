"""What models answer to the same evidence: numbers against direct computations, and sentences."""

from __future__ import annotations

import math

import pytest
import torch

from mvae.analysis.comparison import PICTURE_DRAWS, differences, predict
from mvae.batch import Batch
from mvae.modality import Modality
from mvae.models.base import DRAWS, noise
from mvae.models.bivcca import BiVCCA
from mvae.models.cvae import CVAE
from mvae.models.dae import DAE
from mvae.models.mmvae import MMVAE
from mvae.models.mvae import MVAE
from mvae.models.vae import VAE

pytestmark = pytest.mark.usefixtures("float64")

LABEL = Modality(name="label", kind="label", shape=(3,), likelihood="categorical", hidden=(8,))
TILES = tuple(
    Modality(
        name=side,
        kind="image",
        shape=(1, 2, 2),
        likelihood="bernoulli",
        hidden=(8,),
        tile=(0, column),
    )
    for column, side in enumerate(("left", "right"))
)


class Naming:
    """Names pictures by their brightest column, which is known; columns beyond are no name."""

    annotations = (LABEL,)

    def predict(self, pictures):
        return {"label": pictures.sum((1, 2)).argmax(-1)}


def draws_of(model, given, seed=0):
    z = model.posterior(given).from_noise(noise(DRAWS, 1, model.latents, seed))[:, 0]
    return z, model.expected(z)


def test_what_is_held_out_is_scored_by_the_mean_of_its_probability(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    found = predict(model, sample, ["point", "label"])
    z, _ = draws_of(model, sample.supply(["point", "label"]))
    for name in ("image", "colour"):
        p = model.decode(z, name).log_prob(sample.values[name][0]).exp()
        assert found.scores[f"log p({name} | label, point)"] == pytest.approx(
            math.log(p.mean().item())
        )
    assert not any("log p(point" in title or "log p(label" in title for title in found.scores)


def test_labels_have_the_probability_of_the_true_category(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    found = predict(model, sample, ["point"])
    _, expected = draws_of(model, sample.supply(["point"]))
    for name in ("label", "colour"):
        own = int(sample.values[name][0])
        p = expected[name][:, own].mean().item()
        assert found.scores[f"p({name} {own})"] == pytest.approx(p)
        assert found.expected[name][own].item() == pytest.approx(p)
        assert found.scores[f"log p({name} | point)"] == pytest.approx(math.log(p))


def test_coherence_is_the_share_of_pictures_that_the_classifier_names_so(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    _, expected = draws_of(model, sample.supply(["label"]))
    named = Naming().predict(expected["image"])["label"]
    own = int(sample.values["label"][0])
    supplied = predict(model, sample, ["label"], Naming()).scores["coherence"]
    assert supplied == (named == own).double().mean().item()

    _, expected = draws_of(model, sample.supply(["point"]))
    agree = Naming().predict(expected["image"])["label"] == expected["label"].argmax(-1)
    generated = predict(model, sample, ["point"], Naming()).scores["coherence"]
    assert generated == agree.double().mean().item()
    assert "coherence" not in predict(model, sample, ["point"]).scores  # nobody judges


def test_the_spread_is_the_posteriors_and_the_divergence_exact(toy_model, toy_batch):
    model, sample = toy_model(latents=5), toy_batch(n=1)
    found = predict(model, sample, ["image", "point"])
    q = model.posterior(sample.supply(["image", "point"]))
    assert found.posterior_std.tolist() == sorted(q.std[0].tolist())
    assert found.scores["KL to the prior"] == pytest.approx(q.kl_to_prior().item())
    nothing = predict(model, sample, [])
    assert (nothing.posterior_std == 1).all()
    assert nothing.scores["KL to the prior"] == 0
    assert "log p(image)" in nothing.scores


def test_the_divergence_of_a_mixture_is_estimated_from_the_draws(toys, toy_batch):
    torch.manual_seed(0)
    model, sample = MMVAE(toys, 2), toy_batch(n=1)
    q = model.posterior(sample.supply(["image"]))
    exact = q.components[0].kl_to_prior().item()  # of the one component that is present
    estimates = [
        predict(model, sample, ["image"], seed=seed).scores["KL to the prior"] for seed in range(20)
    ]
    assert sum(estimates) / 20 == pytest.approx(exact, abs=0.05)


def test_the_same_seed_gives_every_model_the_same_random_numbers(toy_model, toy_batch):
    sample = toy_batch(n=1)
    torch.manual_seed(1)
    one = predict(toy_model(), sample, ["point"], Naming())
    torch.manual_seed(2)
    other = predict(toy_model(), sample, ["point"], Naming())
    assert one.scores == other.scores
    assert torch.equal(one.picture_draws, other.picture_draws)
    assert not any(differences(one, other).values())
    assert predict(toy_model(), sample, ["point"], seed=1).scores != one.scores


def test_the_pictures_are_the_mean_of_all_draws_and_the_first_few(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    found = predict(model, sample, ["point"])
    _, expected = draws_of(model, sample.supply(["point"]))
    torch.testing.assert_close(found.picture, expected["image"].mean(0))
    torch.testing.assert_close(found.picture_draws, expected["image"][:PICTURE_DRAWS])


def test_a_tile_that_is_not_generated_stands_as_it_was_supplied():
    torch.manual_seed(0)
    model = CVAE((*TILES, LABEL), 2)
    left, right = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    values = {"left": left, "right": right, "label": torch.tensor([0])}
    sample = Batch.of(model.modalities, values)
    found = predict(model, sample, ["left", "label"], Naming())
    assert found.picture.shape == (1, 2, 4)
    assert (found.picture[..., :2] == 1).all()
    assert ((found.picture[..., 2:] > 0) & (found.picture[..., 2:] < 1)).all()
    assert found.not_generated.keys() == {"left", "label"}
    assert found.scores["coherence"] == 1  # the left tile is the brightest
    # With a tile lacking there is no whole picture to name.
    assert predict(model, sample, ["right"], Naming()).picture is None


def test_a_tile_that_nobody_knows_leaves_no_picture_to_name():
    torch.manual_seed(0)
    model = VAE((*TILES, LABEL), 2)
    values = {"left": torch.ones(1, 1, 2, 2), "label": torch.tensor([0])}
    found = predict(model, Batch.of(model.modalities, values), ["left", "label"], Naming())
    assert found.picture is not None
    assert (found.picture[..., 2:] == 0).all()
    assert found.scores["coherence"] is None


def test_what_a_model_cannot_do_it_says_and_has_no_number_for(toys, toy_batch):
    sample, given = toy_batch(n=1), ["image", "label"]
    reference = predict(MVAE(toys, 2), sample, given, Naming())
    assert not reference.not_generated
    assert None not in reference.scores.values()
    for kind in (BiVCCA, CVAE, DAE, VAE):
        model = kind(toys, 2)
        found = predict(model, sample, given, Naming())
        assert list(found.scores) == list(reference.scores)
        assert found.not_generated == {
            name: model.cannot(given, name) for name in sample.names if model.cannot(given, name)
        }
        assert found.not_generated.keys() | found.expected.keys() == set(sample.names)
        assert (found.posterior_std is None) == bool(found.no_posterior)
        for name in found.not_generated:
            assert all(
                value is None
                for title, value in found.scores.items()
                if title.startswith((f"log p({name}", f"p({name}"))
            )
        known = {title for title, value in found.scores.items() if value is not None}
        assert differences(found, reference).keys() == known
    assert "none for several together" in predict(BiVCCA(toys, 2), sample, given).no_posterior
    assert predict(DAE(toys, 2), sample, given).no_posterior == DAE.no_posterior


def test_what_is_no_log_likelihood_is_called_a_score(toy_batch):
    grey = TILES[0].model_copy(update={"likelihood": "bernoulli-cross-entropy", "tile": None})
    torch.manual_seed(0)
    found = predict(MVAE([grey, LABEL], 2), toy_batch(grey, LABEL, n=1), ["label"])
    assert "score of left | label" in found.scores


@pytest.mark.parametrize("kind", [MVAE, MMVAE, CVAE, DAE, VAE])
@pytest.mark.parametrize("given", [["image"], ["point", "label", "colour"]])
def test_several_samples_are_answered_as_each_is_alone(toys, toy_batch, kind, given, monkeypatch):
    # Each sample of several has random numbers of its own; let all have those of one alone.
    for module in ("models.base", "analysis.comparison", "models.cvae"):
        monkeypatch.setattr(
            f"mvae.{module}.noise",
            lambda draws, samples, latents, seed: noise(draws, 1, latents, seed).expand(
                -1, samples, -1
            ),
        )
    torch.manual_seed(0)
    model, batch = kind(toys, 2), toy_batch(n=3)
    together = predict(model, batch, given, Naming(), draws=8)
    for b in range(3):
        alone = predict(model, batch[b : b + 1], given, Naming(), draws=8)
        assert together.not_generated == alone.not_generated
        assert together.no_posterior == alone.no_posterior
        for one, other in (
            (together.posterior_std, alone.posterior_std),
            (together.picture, alone.picture),
        ):
            assert (one is None) == (other is None)
            if one is not None:
                torch.testing.assert_close(one[b], other)
        if alone.picture_draws is not None:
            torch.testing.assert_close(together.picture_draws[:, b], alone.picture_draws)
        for name, x in alone.expected.items():
            torch.testing.assert_close(together.expected[name][b], x)
        for title, value in alone.scores.items():
            several = "label" if title.startswith("p(label") else "colour"
            found = together.scores[f"p({several})" if title.startswith("p(") else title]
            assert (found is None) == (value is None), title
            if found is not None:
                assert found[b].item() == pytest.approx(value), title


def test_what_a_sample_of_several_lacks_has_no_number(toy_model, toy_batch):
    present = torch.tensor([[True] * 4, [True, False, True, True]])
    batch = toy_batch(n=2, present=present)
    numbers = predict(toy_model(), batch, ["image"]).scores
    for title in ("p(label)", "log p(label | image)"):
        assert numbers[title].isnan().tolist() == [False, True]
    with pytest.raises(ValueError, match="sample 1 has no label"):
        predict(toy_model(), batch, ["label"])


def test_no_sample_and_no_evidence_that_is_not_there(toy_model, toy_batch, toys):
    with pytest.raises(ValueError, match="at least one sample and one draw, not 0 and 64"):
        predict(toy_model(), Batch.empty(toys, 0), [])
    with pytest.raises(ValueError, match="the sample has no point"):
        predict(toy_model(), toy_batch(n=1).supply(["image"]), ["point"])
