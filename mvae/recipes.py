"""Recipes: which models each data set gets, and how they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mvae.baselines import AnyObjective
from mvae.baselines.bivcca import BiVCCAObjective
from mvae.baselines.cvae import CVAEObjective
from mvae.baselines.dae import DAEObjective
from mvae.baselines.dbm import DBMObjective
from mvae.baselines.deep_rbm import DeepRBMObjective
from mvae.baselines.jmvae import JMVAEObjective
from mvae.baselines.mmvae import MMVAEObjective
from mvae.baselines.mopoe import MoPoEObjective
from mvae.baselines.mvae_q import MVAEQObjective
from mvae.baselines.mvtcae import MVTCAEObjective
from mvae.baselines.rbm import RBMObjective
from mvae.baselines.vae import VAEObjective
from mvae.checkpoint import ModelConfig, Training
from mvae.data import DATASETS
from mvae.objective import Covering, Denoising, Joint, Singles, SubSampled

__all__ = ["RECIPES", "Recipe", "config_for"]

#: Passes over the training split, by data set; for two latents fewer, for the model that the app
#: shows first more, see README.
EPOCHS = {"mnist": 20, "fashion": 20, "quadrants": 16}
EPOCHS_2D = {"mnist": 20, "fashion": 20, "quadrants": 10}
#: For the deep Boltzmann machine fewer too: one of its epochs takes as long as three of others.
EPOCHS_DBM = dict.fromkeys(DATASETS, 16)
#: Learning rate, by data set. `mvae` on MNIST after 20 epochs: validation joint log p of −73.3 at
#: this rate, −76.5 at 1e-3.
RATES = {"mnist": 2.5e-3, "fashion": 1e-3, "quadrants": 1e-3}
#: λ of the labels by data set, chosen on the validation split; see README. On MNIST each model
#: had the choice of 10 and 1.
CHOSEN = {"mnist": 10.0, "fashion": 1.0, "quadrants": 10.0}
CHOSEN_ONE = CHOSEN | {"mnist": 1.0}
#: Where each modality has a bound of its own, λ would change nothing.
UNWEIGHTED = dict.fromkeys(DATASETS, 1.0)


@dataclass(frozen=True)
class Recipe:
    """A model as a row of constants.

    Args:
        summary: one sentence on what it is.
        limitations: what it does badly, in words.
        latents: D.
        objective: what is minimised.
        label_weight: λ of the labels, by data set; chosen on the validation split.
        epochs: passes over the training split, by data set.
        rates: learning rate, by data set.
        warmup: fraction of training over which β rises; where it rules pre-training, its share.
        energy_rate: learning rate of an energy's weights, which learn by stochastic gradient
            descent: Adam moves every weight as fast, those whose gradient is only noise of the
            chains too.
    """

    summary: str
    limitations: tuple[str, ...]
    latents: int
    objective: AnyObjective
    label_weight: Mapping[str, float]
    epochs: Mapping[str, int]
    rates: Mapping[str, float] = field(default_factory=lambda: RATES)
    warmup: float = 0.2
    energy_rate: float | None = None


RECIPES: dict[str, Recipe] = {
    "mvae": Recipe(
        summary="The paper's MVAE: the sub-sampled objective and nothing else.",
        limitations=(
            "Its experts are over-confident: a label alone often generates something else, because "
            "the label's expert fixes a few dimensions and the image's expert leaves those to it.",
            "A single modality's posterior may miss what the joint posterior believes.",
        ),
        latents=64,
        objective=SubSampled(),
        label_weight=CHOSEN_ONE,
        epochs=EPOCHS,
    ),
    "mvae-cover": Recipe(
        summary="MVAE whose single posteriors are also trained to cover the joint one.",
        limitations=(
            "The same product of experts, so every further modality narrows the belief, "
            "even one that contradicts the others.",
            "A Gaussian cannot follow a label's true posterior, which has several lobes: some "
            "draws from a label alone look like no digit or garment.",
        ),
        latents=64,
        objective=Covering(gamma=1.0, kappa=30.0, rho=20.0),
        label_weight={"mnist": 50.0, "fashion": 50.0, "quadrants": 50.0},
        epochs=EPOCHS | {"mnist": 40},
        rates=dict.fromkeys(DATASETS, 1e-3),
    ),
    "mvae-cover-short": Recipe(
        summary="Covering at the budget and the λ of the baselines; reading back begins late.",
        limitations=(
            "Draws from a label alone are of another label more often than those of mvae-cover, "
            "which was trained for twice as long.",
        ),
        latents=64,
        objective=Covering(gamma=1.0, kappa=30.0, rho=20.0, reading=0.7),
        label_weight=CHOSEN,
        epochs=EPOCHS,
    ),
    "mvae-2d": Recipe(
        summary="A covering MVAE with two latents, so that all of its latent space can be seen.",
        limitations=(
            "Two dimensions are too few: pictures are blurred, and neighbouring classes share "
            "ground, so a label or an image is sometimes taken for another.",
        ),
        latents=2,
        objective=Covering(gamma=1.0, kappa=30.0, rho=20.0),
        label_weight={"mnist": 50.0, "fashion": 50.0, "quadrants": 50.0},
        epochs=EPOCHS_2D,
        rates=dict.fromkeys(DATASETS, 1e-3),
    ),
    "mvae-joint": Recipe(
        summary="MVAE trained on the joint ELBO alone.",
        limitations=(
            "No single expert was ever trained to stand alone: given one modality it is asked "
            "something new.",
        ),
        latents=64,
        objective=Joint(),
        label_weight=CHOSEN_ONE,
        epochs=EPOCHS,
    ),
    "mvae-singles": Recipe(
        summary="MVAE trained on the ELBOs of single modalities alone.",
        limitations=(
            "It never saw two modalities together, so nothing ties their latents to each other: "
            "from one it cannot tell the other.",
        ),
        latents=64,
        objective=Singles(),
        label_weight=CHOSEN_ONE,
        epochs=EPOCHS,
    ),
    "mvae-denoising": Recipe(
        summary="MVAE whose every subset must reconstruct all modalities.",
        limitations=(
            "A label alone has to reconstruct a picture that it cannot know, which blurs the "
            "pictures and costs likelihood.",
        ),
        latents=64,
        objective=Denoising(),
        label_weight=CHOSEN,
        epochs=EPOCHS,
    ),
    "vae": Recipe(
        summary="One VAE for each modality: the reference without sharing.",
        limitations=("It knows nothing of one modality given another.",),
        latents=64,
        objective=VAEObjective(),
        label_weight=UNWEIGHTED,
        epochs=EPOCHS,
    ),
    "cvae": Recipe(
        summary="A conditional VAE for each direction.",
        limitations=(
            "It goes from all other modalities to one, and does nothing else: it cannot generate "
            "from nothing, reconstruct, or work with part of the evidence.",
            "N modalities need N models.",
        ),
        latents=64,
        objective=CVAEObjective(),
        label_weight=UNWEIGHTED,
        epochs=EPOCHS,
    ),
    "bivcca": Recipe(
        summary="A posterior for each single modality, each of which reconstructs everything.",
        limitations=(
            "It has no posterior for several modalities together.",
            "A label's posterior has to reconstruct a picture that it cannot know, which blurs "
            "pictures.",
        ),
        latents=64,
        objective=BiVCCAObjective(),
        label_weight=CHOSEN,
        epochs=EPOCHS,
    ),
    "jmvae": Recipe(
        summary="A joint encoder, and single encoders drawn to it by their divergence.",
        limitations=(
            "Every subset would need an encoder of its own; it has those for single modalities "
            "and for all together.",
            "It learns from complete samples only.",
        ),
        latents=64,
        objective=JMVAEObjective(),
        label_weight=CHOSEN,
        epochs=EPOCHS,
    ),
    "mvae-q": Recipe(
        summary="Experts that are posteriors themselves: q_i/p are one-to-one with MVAE's experts.",
        limitations=(
            "Each expert is sharper than the prior everywhere, as the quotient has to be proper: "
            "the same family of posteriors as MVAE's in another parametrisation, no richer. Where "
            "the two differ, optimisation and parametrisation made the difference.",
            "Like MVAE's, its experts are over-confident when trained by sub-sampling alone.",
        ),
        latents=64,
        objective=MVAEQObjective(),
        label_weight=CHOSEN_ONE,
        epochs=EPOCHS,
    ),
    "mmvae": Recipe(
        summary="A mixture of experts instead of a product.",
        limitations=(
            "Further evidence does not sharpen a mixture: half of the draws ignore the image.",
            "It trains the plain ELBO, not the importance-weighted bound of the original, and "
            "has Gaussian latents where that has Laplace ones.",
        ),
        latents=64,
        objective=MMVAEObjective(),
        label_weight=CHOSEN,
        epochs=EPOCHS,
    ),
    "mopoe": Recipe(
        summary="A mixture of the products of experts of all subsets.",
        limitations=(
            "A part of its draws comes from the product of few modalities even when all are "
            "given, so further evidence sharpens it only in part.",
            "The number of products doubles with each modality.",
        ),
        latents=64,
        objective=MoPoEObjective(),
        label_weight=CHOSEN,
        epochs=EPOCHS,
    ),
    "mvtcae": Recipe(
        summary="MVAE's network, trained on a bound of the total correlation.",
        limitations=(
            "With α near 1 little draws its posteriors to the prior, so what it generates given "
            "nothing may look like nothing.",
            "It learns to reconstruct from all modalities only.",
        ),
        latents=64,
        objective=MVTCAEObjective(),
        label_weight=CHOSEN_ONE,
        epochs=EPOCHS,
    ),
    "dae": Recipe(
        summary="The bimodal deep autoencoder: a shared code, trained with modalities set to zero.",
        limitations=(
            "Its code is a point: it generates one picture for a label, the same every time, and "
            "cannot say how sure it is.",
            "Given nothing it generates nothing.",
        ),
        latents=64,
        objective=DAEObjective(),
        label_weight=CHOSEN_ONE,
        epochs=EPOCHS,
    ),
    "rbm": Recipe(
        summary="One restricted Boltzmann machine over all modalities: no networks, no depth.",
        limitations=(
            "A draw takes hundreds of Gibbs sweeps, and a chain may stay for long with the kind of "
            "picture that it found first.",
            "One hidden layer sees pixels only through weighted sums: strokes are coarse.",
            "Its log p is known but for log Z, an estimate that tends to be too low, so log p "
            "tends to be too high.",
        ),
        latents=512,
        objective=RBMObjective(),
        label_weight=UNWEIGHTED,
        epochs=EPOCHS,
        energy_rate=0.05,
    ),
    "dbm": Recipe(
        summary="A deep Boltzmann machine: two hidden layers a modality, and one that they share.",
        limitations=(
            "Its modalities meet three layers above the data, where little of a label's few nats "
            "arrives: it names pictures less often than models with a shallow meeting place.",
            "A draw takes hundreds of Gibbs sweeps, which mix slowly through the layers.",
            "Training needs layer-wise pre-training, mean field and chains together; of its log p "
            "there is a bound with an estimated log Z.",
        ),
        latents=512,
        objective=DBMObjective(),
        label_weight=UNWEIGHTED,
        epochs=EPOCHS_DBM,
        # Short: longer pre-training ended in a machine with one overwhelming mode, whose upper
        # layers then saturated. With moving offsets the layers learn together well.
        warmup=0.01,
        energy_rate=0.02,
    ),
    "deep-rbm": Recipe(
        summary="MVAE's networks with binary codes, tied together by an RBM in place of experts.",
        limitations=(
            "The codes are learned by each modality alone and then fixed: nothing makes them easy "
            "for the RBM to tie together.",
            "A draw takes hundreds of Gibbs sweeps, and its log p is not estimated.",
        ),
        latents=64,
        objective=DeepRBMObjective(),
        label_weight=UNWEIGHTED,
        epochs=EPOCHS,
        energy_rate=0.05,
        warmup=0.5,
    ),
}
# The paper's objective with other label weights; and with other numbers of subsets.
RECIPES |= {
    f"mvae-lambda-{weight}": replace(
        RECIPES["mvae"],
        summary=f"The paper's MVAE with λ = {weight} for the label.",
        label_weight=dict.fromkeys(DATASETS, float(weight)),
    )
    for weight in (10, 50)
}
RECIPES |= {
    f"mvae-k{k}": replace(
        RECIPES["mvae"],
        summary=f"The paper's MVAE with {k} subsets between a step.",
        objective=SubSampled(k=k),
    )
    for k in (0, 2, 4)
}


def config_for(dataset: str, model: str) -> ModelConfig:
    """Give the configuration of a recipe on a data set.

    Raises:
        KeyError: if there is no such data set or recipe.

    Example:
        >>> config_for("quadrants", "mvae-2d").latents
        2
    """
    recipe = RECIPES[model]
    modalities = tuple(
        m.model_copy(update={"weight": recipe.label_weight[dataset]}) if m.kind == "label" else m
        for m in DATASETS[dataset].modalities
    )
    return ModelConfig(
        dataset=dataset,
        model=model,
        summary=recipe.summary,
        limitations=recipe.limitations,
        latents=recipe.latents,
        modalities=modalities,
        objective=recipe.objective,
        training=Training(
            epochs=recipe.epochs[dataset],
            warmup=recipe.warmup,
            energy_rate=recipe.energy_rate,
            rate=recipe.rates[dataset],
        ),
    )
