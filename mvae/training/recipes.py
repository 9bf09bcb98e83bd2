"""Recipes: which models each data set gets, and how they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mvae.checkpoint import ModelConfig, Training
from mvae.data import DATASETS, DatasetError
from mvae.models.bivcca import BiVCCAObjective
from mvae.models.cvae import CVAEObjective
from mvae.models.dae import DAEObjective
from mvae.models.dbm import DBMObjective
from mvae.models.deep_rbm import DeepRBMObjective
from mvae.models.encoder_decoder import EncoderDecoderObjective
from mvae.models.jmvae import JMVAEObjective
from mvae.models.mmvae import MMVAEObjective
from mvae.models.mopoe import MoPoEObjective
from mvae.models.mvae_q import MVAEQObjective
from mvae.models.mvtcae import MVTCAEObjective
from mvae.models.objectives import Covering, Denoising, Joint, Singles, SubSampled
from mvae.models.rbm import RBMObjective
from mvae.models.registry import AnyObjective
from mvae.models.vae import VAEObjective
from mvae.training.budgets import BUDGETS

__all__ = ["RECIPES", "Recipe", "config_for"]


#: On MNIST each model had the choice of λ = 10 and 1; these chose 1.
ONE = {"mnist": 1.0}
FIFTY = {"mnist": 50.0, "fashion": 50.0, "quadrants": 50.0}
#: Where much is said in words, or by many modalities, naming weighs less; by hand, not searched.
COVERING = {
    "multimnist": Covering(gamma=1.0, kappa=3.0, rho=1.0),
    "faces19": Covering(gamma=0.1, kappa=3.0, rho=2.0),
    "clipart": Covering(gamma=1.0, kappa=3.0, rho=1.0),
    "translation": Covering(gamma=1.0, kappa=10.0),
    "views": Covering(gamma=1.0, kappa=10.0, rho=5.0),
}
#: What the sub-sampled objective leaves out.
ACROSS = (
    "Its objective never scores what one modality says about another: each subset reconstructs "
    "itself alone. So what it generates of the others may not fit what was given."
)
#: For the deep Boltzmann machine fewer epochs: one takes as long as three of others.
EPOCHS_DBM = {"mnist": 16, "fashion": 16}


@dataclass(frozen=True)
class Recipe:
    """A model as a row of constants; by data set, what differs from its budget.

    Args:
        summary: one sentence on what it is.
        limitations: what it does badly, in words.
        objective: what is minimised.
        objectives: the same with other settings, by data set.
        latents: D, where it has its own.
        weighted: whether λ changes anything; not where each modality has a bound of its own.
        weights: λ of labels, tags and texts, by data set.
        epochs: passes over the training split, by data set.
        learning_rates: learning rate, by data set.
        warmup: fraction of training over which β rises; where it rules pre-training, its share.
        missing: share of the training samples that lack their labels, tags or texts.
        energy_learning_rate: of an energy's weights, trained by stochastic gradient descent: Adam
            takes steps of equal size also where a gradient is only the noise of the chains.
    """

    summary: str
    limitations: tuple[str, ...]
    objective: AnyObjective
    objectives: Mapping[str, AnyObjective] = field(default_factory=dict)
    latents: int | None = None
    weighted: bool = True
    weights: Mapping[str, float] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    warmup: float = 0.2
    missing: float = 0.0
    energy_learning_rate: float | None = None


RECIPES: dict[str, Recipe] = {
    "mvae": Recipe(
        summary="The paper's MVAE: the sub-sampled objective and nothing else.",
        limitations=(
            ACROSS,
            "No term of its loss draws a single modality's posterior to the joint one.",
        ),
        objective=SubSampled(),
        weights=ONE,
    ),
    "mvae-cover": Recipe(
        summary="MVAE whose single posteriors also cover the joint one, and name what the others "
        "say in words.",
        limitations=(
            "The same product of experts, so every further modality narrows the posterior, "
            "even one that contradicts the others.",
            "Covering moves the posterior given a label alone to where the decoders agree on that "
            "label, which is farther from the model's exact posterior than plain training's.",
        ),
        objective=Covering(gamma=1.0, kappa=30.0, rho=20.0),
        objectives=COVERING,
        weights=FIFTY | {"mnist": 15.0},
        epochs={"mnist": 40},
    ),
    "mvae-cover-short": Recipe(
        summary="Covering at the budget and the λ of the baselines; reading back begins late.",
        limitations=(
            "Draws from a label alone are of another label more often than those of mvae-cover, "
            "which was trained for twice as long, with another λ.",
        ),
        objective=Covering(gamma=1.0, kappa=30.0, rho=20.0, reading=0.7),
    ),
    "mvae-2d": Recipe(
        summary="A covering MVAE with two latents, so that all of its latent space can be seen.",
        limitations=(
            "Two dimensions are too few: pictures are blurred, and neighbouring classes share "
            "ground, so a label or an image is sometimes taken for another.",
        ),
        latents=2,
        objective=Covering(gamma=1.0, kappa=30.0, rho=20.0),
        weights=FIFTY,
        epochs={"quadrants": 10},
        learning_rates={"mnist": 1e-3},
    ),
    "mvae-joint": Recipe(
        summary="MVAE trained on the joint ELBO alone.",
        limitations=(
            "No single expert was ever trained to stand alone: given one modality it is asked "
            "something new.",
        ),
        objective=Joint(),
        weights=ONE,
    ),
    "mvae-singles": Recipe(
        summary="MVAE trained on the ELBOs of single modalities alone.",
        limitations=(
            "No term of its loss takes two modalities together, so nothing ties their latents to "
            "each other: from one it cannot tell the other.",
        ),
        objective=Singles(),
        weights=ONE,
    ),
    "mvae-denoising": Recipe(
        summary="MVAE whose every subset must reconstruct all modalities.",
        limitations=(
            "A label alone has to reconstruct a picture that it cannot know: those drawn from it "
            "hardly differ from each other.",
        ),
        objective=Denoising(),
    ),
    "vae": Recipe(
        summary="One VAE for each modality: the reference without sharing.",
        limitations=("It knows nothing of one modality given another.",),
        objective=VAEObjective(),
        weighted=False,
    ),
    "cvae": Recipe(
        summary="A conditional VAE for each direction.",
        limitations=(
            "It goes from all other modalities to one, and does nothing else: it cannot generate "
            "from nothing, reconstruct, or work with part of the evidence.",
            "N modalities need N models.",
        ),
        objective=CVAEObjective(),
        weighted=False,
    ),
    "encoder-decoder": Recipe(
        summary="A plain network for each direction, with a code that is a point.",
        limitations=(
            "It goes from all other modalities to one, and does nothing else.",
            "It says one thing and cannot say how sure it is: where several answers are right, it "
            "gives their compromise.",
        ),
        objective=EncoderDecoderObjective(),
        weighted=False,
    ),
    "bivcca": Recipe(
        summary="A posterior for each single modality, each of which reconstructs everything.",
        limitations=(
            "It has no posterior for several modalities together.",
            "A label's posterior has to reconstruct a picture that it cannot know, which blurs "
            "pictures.",
        ),
        objective=BiVCCAObjective(),
    ),
    "jmvae": Recipe(
        summary="A joint encoder, and single encoders drawn to it by their divergence.",
        limitations=(
            "Every subset would need an encoder of its own; it has those for single modalities "
            "and for all together.",
            "It learns from complete samples only.",
        ),
        objective=JMVAEObjective(),
    ),
    "mvae-q": Recipe(
        summary="Experts that are posteriors themselves: q_i/p are one-to-one with MVAE's experts.",
        limitations=(
            "Each expert is sharper than the prior everywhere, as the quotient has to be proper: "
            "the same family of posteriors as MVAE's in another parametrisation, no richer. Where "
            "the two differ, optimisation and parametrisation made the difference.",
            ACROSS,
        ),
        objective=MVAEQObjective(),
        weights=ONE,
    ),
    "mmvae": Recipe(
        summary="A mixture of experts instead of a product.",
        limitations=(
            "Further evidence does not sharpen a mixture: each draw follows one modality and "
            "ignores the others.",
            "It trains the plain ELBO, not the importance-weighted bound of the original, and "
            "has Gaussian latents where that has Laplace ones.",
        ),
        objective=MMVAEObjective(),
    ),
    "mopoe": Recipe(
        summary="A mixture of the products of experts of all subsets.",
        limitations=(
            "A part of its draws comes from the product of few modalities even when all are "
            "given, so further evidence sharpens it only in part.",
            "The number of products doubles with each modality.",
        ),
        objective=MoPoEObjective(),
    ),
    "mvtcae": Recipe(
        summary="MVAE's network, trained on a bound of the total correlation.",
        limitations=(
            "With α near 1 little draws its posteriors to the prior, so what it generates given "
            "nothing may look like nothing.",
            "It learns to reconstruct from all modalities only.",
        ),
        objective=MVTCAEObjective(),
        weights=ONE,
    ),
    "dae": Recipe(
        summary="The bimodal deep autoencoder: a shared code, trained with modalities set to zero.",
        limitations=(
            "Its code is a point: given the same it generates the same, every time, and it cannot "
            "say how sure it is.",
            "Given nothing it generates nothing.",
            "The original is pre-trained layer by layer with restricted Boltzmann machines; this "
            "one is trained end to end without.",
        ),
        objective=DAEObjective(),
        weights=ONE,
    ),
    "rbm": Recipe(
        summary="One restricted Boltzmann machine over all modalities: no networks, no depth.",
        limitations=(
            "A draw takes hundreds of Gibbs sweeps, and a chain may stay for long with the kind of "
            "picture that it found first.",
            "One hidden layer sees pixels only through weighted sums: strokes are coarse.",
            "Its log p is known but for log Z. That is estimated from above, so that log p tends "
            "to be too low, as far as the states that the estimate starts with are draws of the "
            "machine.",
        ),
        latents=512,
        objective=RBMObjective(),
        weighted=False,
        energy_learning_rate=0.05,
    ),
    "dbm": Recipe(
        summary="A deep Boltzmann machine: two hidden layers a modality, and one that they share.",
        limitations=(
            "Our training of it fails: it predicts labels and tags far worse than other models "
            "here. What is to blame is not known, so nothing follows from it about deep Boltzmann "
            "machines.",
            "A draw takes hundreds of Gibbs sweeps, which mix slowly through the layers.",
            "Training needs layer-wise pre-training, mean field and chains together; of its log p "
            "there is a lower bound by mean field, with an estimated log Z.",
        ),
        latents=512,
        objective=DBMObjective(),
        weighted=False,
        epochs=EPOCHS_DBM,
        # Short: longer pre-training ended in a machine with one overwhelming mode, whose upper
        # layers then saturated. With moving offsets the layers learn together well.
        warmup=0.01,
        energy_learning_rate=0.02,
    ),
    "deep-rbm": Recipe(
        summary="MVAE's networks with binary codes, tied together by an RBM in place of experts.",
        limitations=(
            "Our training of it fails: the codes are learned by each modality alone and then "
            "frozen, and from a picture it predicts labels and tags far worse than models with the "
            "same networks. It is no fair comparison of the two products of experts.",
            "A draw takes hundreds of Gibbs sweeps, and its log p is not estimated.",
        ),
        objective=DeepRBMObjective(),
        weighted=False,
        energy_learning_rate=0.05,
        warmup=0.5,
    ),
}
# The paper's objective with other label weights; and with other numbers of subsets.
RECIPES |= {
    f"mvae-lambda-{weight}": replace(
        RECIPES["mvae"],
        summary=f"The paper's MVAE with λ = {weight} for the label.",
        weights=dict.fromkeys(DATASETS, float(weight)),
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
# Trained where some or most samples lack what is said in words.
RECIPES |= {
    f"{name}-missing-{percent}": replace(
        RECIPES[name],
        summary=f"{RECIPES[name].summary} {percent} % of the samples lack their words.",
        missing=percent / 100,
    )
    for name in ("mvae", "mvae-cover", "jmvae")
    for percent in (50, 90)
}


def config_for(dataset: str, model: str) -> ModelConfig:
    """Give the configuration of a recipe on a data set.

    Raises:
        KeyError: if there is no such data set or recipe.
        DatasetError: if the data set has no budget yet.

    Example:
        >>> config_for("quadrants", "mvae-2d").latents
        2
    """
    recipe, source = RECIPES[model], DATASETS[dataset]
    if dataset not in BUDGETS:
        raise DatasetError(f"{dataset} has no budget: add its row to mvae/training/budgets.py.")
    budget = BUDGETS[dataset]
    weight = recipe.weights.get(dataset, budget.weight) if recipe.weighted else 1.0
    modalities = tuple(
        m.model_copy(update={"weight": weight}) if m.is_annotation else m for m in source.modalities
    )
    return ModelConfig(
        dataset=dataset,
        model=model,
        summary=recipe.summary,
        limitations=recipe.limitations + (budget.limitation,) * bool(budget.limitation),
        latents=recipe.latents or budget.latents,
        modalities=modalities,
        objective=recipe.objectives.get(dataset, recipe.objective),
        training=Training(
            epochs=recipe.epochs.get(dataset, budget.epochs),
            batch=budget.batch,
            warmup=recipe.warmup,
            missing=recipe.missing,
            energy_learning_rate=recipe.energy_learning_rate,
            learning_rate=recipe.learning_rates.get(dataset, budget.learning_rate),
        ),
    )
