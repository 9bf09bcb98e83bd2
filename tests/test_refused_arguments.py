"""What a docstring requires is checked: anything else is refused with a sentence, not computed."""

from __future__ import annotations

import pytest
import torch

from mvae.analysis.embedding import place, pool_posteriors, principal_axes
from mvae.batch import Batch
from mvae.csv_files import write_rows
from mvae.evaluation.accuracy import coherence
from mvae.evaluation.decoder_evaluations import decoder_evaluations
from mvae.evaluation.probe import linear_probe
from mvae.evaluation.retrieval import average_precision
from mvae.images.tiling import complete_pictures
from mvae.modality import Modality
from mvae.models.base import noise
from mvae.models.cvae import CVAE
from mvae.models.dae import DAE
from mvae.models.deep_rbm import DeepRBM, DeepRBMObjective
from mvae.models.mmvae import MMVAE
from mvae.models.mvae import MVAE
from mvae.models.objectives import draw_subsets, log_likelihoods
from mvae.models.rbm import RBM
from mvae.models.vae import VAE
from mvae.training.weak_supervision import choose_labelled

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("kind", [MVAE, MMVAE, CVAE, DAE, VAE, DeepRBM])
def test_models_need_latents_and_draws(kind, toys, toy_batch):
    with pytest.raises(ValueError, match="at least one latent, not 0"):
        kind(toys, 0)
    model = kind(toys, 2)
    for draws in (0, -3):
        with pytest.raises(ValueError, match=f"at least one draw, not {draws}"):
            model.generate(toy_batch(), draws)


@pytest.mark.parametrize("kind", [MVAE, MMVAE, DAE, VAE])
def test_only_points_of_the_latent_space_are_decoded(kind, toys):
    model = kind(toys, 2)
    d = model.latents
    for z in (torch.zeros(3, d + 1), torch.zeros(3, 2 * d), torch.tensor(0.0)):
        with pytest.raises(ValueError, match=rf"z must be of shape \(\.\.\., {d}\), not"):
            model.decode(z, "label")
        with pytest.raises(ValueError, match="z must be of shape"):
            model.expected(z)
    with pytest.raises(ValueError, match="no modality is called 'sound'"):
        model.decode(torch.zeros(3, d), "sound")


def test_noise_needs_a_draw():
    with pytest.raises(ValueError, match="at least one draw, not 0"):
        noise(0, 1, 2, seed=0)


def test_a_likelihood_is_of_what_a_sample_has(toy_model, toy_batch):
    model, batch = toy_model(), toy_batch(n=2).supply(["image"])
    z, everything = torch.zeros(1, 2, 2), torch.ones(1, 2, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="a sample lacks a modality whose log-likelihood"):
        log_likelihoods(model, z, everything, batch, weighted=False)
    with pytest.raises(ValueError, match=r"wanted must be bool of shape \(1, 2, 4\), not"):
        log_likelihoods(model, z, everything[..., :3], batch, weighted=False)
    with pytest.raises(ValueError, match=r"not torch\.float64"):
        log_likelihoods(model, z, everything.double(), batch, weighted=False)


@pytest.mark.parametrize(
    ("present", "k"),
    [
        (torch.ones(2, 3), 1),
        (torch.ones(3, dtype=torch.bool), 1),
        (torch.ones(2, 3, dtype=torch.bool), -1),
    ],
)
def test_subsets_are_drawn_of_a_mask(present, k):
    with pytest.raises(ValueError, match="subsets are drawn from a bool mask"):
        draw_subsets(present, k)


def test_a_boltzmann_machine_refuses_what_is_neither_binary_nor_a_category(toys):
    text = Modality(
        name="text",
        kind="text",
        shape=(3,),
        likelihood="autoregressive",
        categories=("", "a"),
    )
    for m in (toys[2], text):
        with pytest.raises(ValueError, match=f"but the likelihood of {m.name} is"):
            RBM([toys[0], m], 2)


def test_a_bound_of_complete_samples_refuses_others(toys, toy_batch, brief_chains):
    batch = toy_batch(n=2)
    present = batch.present.clone()
    present[1, 2] = False
    with pytest.raises(ValueError, match="sample 1 has no point"):
        DeepRBMObjective().score(DeepRBM(toys, 3), Batch(batch.values, present))


def test_maps_need_points(toys, toy_model):
    with pytest.raises(ValueError, match="at least two points, not 1"):
        principal_axes(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="at least two latent dimensions"):
        principal_axes(torch.zeros(3, 1))
    with pytest.raises(ValueError, match="needed, not 0 and 5"):
        place(torch.zeros(1, 2), torch.zeros(0, 2), torch.zeros(0, 2))
    with pytest.raises(ValueError, match="needed, not 3 and 0"):
        place(torch.zeros(1, 2), torch.zeros(3, 2), torch.zeros(3, 2), neighbours=0)
    with pytest.raises(ValueError, match="no sample to infer"):
        pool_posteriors(toy_model(), Batch.empty(toys, 0))


def test_a_picture_needs_all_its_tiles(toys, toy_batch):
    with pytest.raises(ValueError, match="sample 0 has no image"):
        complete_pictures(toys, toy_batch(n=2).supply(["label"]), {})


def test_agreement_needs_something_that_counts(toys):
    label = toys[1]
    values = {"label": torch.tensor([0, 1])}
    counted = {"label": torch.tensor([True, False])}
    with pytest.raises(ValueError, match="no annotation counts for some sample"):
        coherence([label], {"label": values["label"][None]}, values, counted)


def test_evaluations_need_samples_labels_and_fractions(toy_config, toys, toy_model, toy_batch):
    with pytest.raises(ValueError, match="at least one sample"):
        decoder_evaluations(toy_config(), Batch.empty(toys, 0))
    with pytest.raises(ValueError, match="no modality is called 'sound'"):
        linear_probe(toy_model(), toy_batch(), toy_batch(), "sound")
    for fraction in (0.0, -0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match="fraction of labels must be above 0 and at most 1"):
            choose_labelled(torch.arange(10), fraction, seed=0)
    scores = torch.rand(2, 3)
    for relevant in (torch.ones(2, 3), torch.ones(3, 2, dtype=torch.bool)):
        with pytest.raises(ValueError, match="and a bool mask of their shape"):
            average_precision(scores, relevant)


def test_a_table_without_rows_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"no row to write to table\.csv"):
        write_rows(tmp_path / "table.csv", [])
    assert not list(tmp_path.iterdir())


def test_samples_are_taken_by_number_or_not_at_all(toy_batch):
    batch = toy_batch(n=3)
    assert torch.equal(batch[1].values["point"], batch.values["point"][1:2])
    assert torch.equal(batch[-1].values["label"], batch.values["label"][2:])
    assert [len(sample) for sample in batch] == [1, 1, 1]
    for number in (3, -4):
        with pytest.raises(IndexError, match=f"no sample {number} among 3"):
            batch[number]
