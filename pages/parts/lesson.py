"""The steps of the lesson, each with one idea, one task and one question."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STEPS", "DraggableExpert", "DraggableExperts", "Option", "Scene", "Step"]


@dataclass(frozen=True)
class Option:
    """An answer to a question, and the reply to a visitor who chooses it."""

    text: str
    reply: str
    right: bool = False


@dataclass(frozen=True)
class DraggableExpert:
    """A draggable Gaussian: its mean and standard deviation in each dimension."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    on: bool = True


@dataclass(frozen=True)
class DraggableExperts:
    """A scene of draggable Gaussians.

    Args:
        experts: their initial state, all of them in one dimension or all in two.
        prior: whether the prior N(0, I) is a factor.
        mixture: whether an equally weighted mixture is drawn beside the product.
    """

    experts: tuple[DraggableExpert, ...]
    prior: bool = True
    mixture: bool = False


@dataclass(frozen=True)
class Scene:
    """A scene of a model's posterior; the model is found by its properties.

    Args:
        objectives: names of training objectives, in the order offered.
        tiles: whether the picture is split into several modalities.
        flat: whether the model has two latents, so that its exact posterior is computable.
        sample: number of the test example.
        label: category of the first label; None keeps the example's own.
        supply: kinds of the modalities supplied at first.
        limit: largest number of modalities supplied at first.
        panels: the panels of the stage that are shown.
    """

    objectives: tuple[str, ...] = ("covering",)
    tiles: bool = False
    flat: bool = False
    sample: int = 3
    label: int | None = None
    supply: tuple[str, ...] = ("image", "label")
    limit: int | None = None
    panels: tuple[str, ...] = ("curves", "growth")


@dataclass(frozen=True)
class Step:
    """A step of the lesson.

    Args:
        title: the idea in a few words.
        text: the idea, in Markdown.
        task: what to do on the stage.
        question: a question about it.
        options: answers, exactly one of which is right.
        scene: what the stage shows.
    """

    title: str
    text: str
    task: str
    question: str
    options: tuple[Option, ...]
    scene: DraggableExperts | Scene


STEPS = (
    Step(
        "One noisy observation is a Gaussian",
        "A number z is hidden. One noisy observation of z is a Gaussian likelihood: its mean μ "
        "tells where z is, its standard deviation σ how far off that may be. Its **precision** "
        "T = 1/σ² tells how certain it is.",
        "Drag the dot to move the observation. Drag the diamond until the precision is about 4.",
        "You halve σ. What happens to the precision?",
        (
            Option("It doubles.", "The precision is the inverse square of σ: try it on the stage."),
            Option(
                "It becomes four times as large.",
                "Yes: T = 1/σ², so half the width is four times the precision.",
                right=True,
            ),
            Option("It halves.", "A narrower Gaussian is more certain, so its precision grows."),
        ),
        DraggableExperts((DraggableExpert("observation", (1.0,), (1.0,)),), prior=False),
    ),
    Step(
        "Two observations: multiply",
        "Two independent observations of z must both be likely, so their likelihoods are "
        "**multiplied**, and a product of Gaussians is a Gaussian again. Precisions add. The mean "
        "is the average of the means, weighted by precision: the more precise observation pulls "
        "harder.",
        "Make one observation much more precise than the other and see where the product goes.",
        "One observation has mean 0 and T = 1, the other mean 4 and T = 3. Where is the product?",
        (
            Option("At 2", "That would be so if both were equally precise."),
            Option("At 3", "Yes: (1·0 + 3·4) / (1 + 3) = 3.", right=True),
            Option("At 4", "The more precise observation pulls harder, but the other counts too."),
        ),
        DraggableExperts(
            (
                DraggableExpert("first observation", (-1.5,), (1.0,)),
                DraggableExpert("second observation", (1.5,), (0.6,)),
            ),
            prior=False,
        ),
    ),
    Step(
        "The prior is a factor too",
        "Before any observation, z has a distribution: the **prior** N(0, 1). It enters the "
        "product like an observation at 0 with precision 1, so T = 1 + T₁ + T₂. The product is the "
        "**posterior**: what is believed about z. It is a proper distribution even without any "
        "observation.",
        "Switch both observations off with the buttons under the curves, then on again, one by "
        "one.",
        "One observation has mean 2 and T = 1. With the prior, where is the posterior?",
        (
            Option("At 0", "That is the prior alone; the observation counts as well."),
            Option("At 1", "Yes: (1·0 + 1·2) / (1 + 1) = 1.", right=True),
            Option("At 2", "That is the observation alone; the prior pulls towards 0."),
        ),
        DraggableExperts(
            (
                DraggableExpert("first observation", (2.0,), (1.0,)),
                DraggableExpert("second observation", (1.0,), (0.7,)),
            )
        ),
    ),
    Step(
        "Each dimension by itself",
        "A model's latent z has many dimensions. Each expert of an MVAE is a Gaussian with "
        "independent dimensions: it may be certain about one and know nothing about another. The "
        "product is taken **in each dimension separately**, so experts that know different things "
        "complement each other.",
        "Swap their roles: make the first expert narrow upwards and the second narrow sideways.",
        "Two long thin ellipses cross at a right angle. What is their product?",
        (
            Option("A cross", "A product of Gaussians is a Gaussian: one ellipse."),
            Option(
                "A small round spot",
                "Yes: in each direction, one of the experts is certain.",
                right=True,
            ),
            Option(
                "As long and thin as one of them",
                "Where one expert is uncertain, the other is certain.",
            ),
        ),
        DraggableExperts(
            (
                DraggableExpert("first expert", (0.8, 0.0), (0.3, 1.4)),
                DraggableExpert("second expert", (0.0, 1.0), (1.4, 0.3)),
            )
        ),
    ),
    Step(
        "A missing modality is a factor left out",
        "Now the experts are networks. Each quarter of this picture, and its label, has an encoder "
        "of its own, an **expert**, that outputs a Gaussian over z. The posterior is the product "
        "of the prior and the experts supplied. Nothing is filled in for a missing quarter: its "
        "factor is left out.",
        "Switch on one quarter after another. Watch the posterior sharpen and the digit become "
        "clear.",
        "All switches are off. What is the posterior?",
        (
            Option("Undefined", "One factor is always there, even without any evidence."),
            Option("The prior", "Yes, and it may generate any digit.", right=True),
            Option("The average of all posteriors", "Nothing is averaged: factors are left out."),
        ),
        Scene(tiles=True, sample=48, supply=("image",), limit=1),
    ),
    Step(
        "Conflicting experts",
        "Two precise experts contradict each other. Their product lies **between** them, where "
        "neither has much density, and is as sharp as ever: its width depends on the precisions "
        "alone. So a product can be confidently wrong, where a **mixture** (dotted) keeps both "
        "modes. The **conflict gauge** measures how far apart the factors are, in units of their "
        "widths.",
        "Pull the experts apart. Watch the product's width, the conflict and the mixture.",
        "As they move apart, what happens to the product's width?",
        (
            Option("It grows.", "Look at the precisions: none of them has changed."),
            Option("It stays the same.", "Yes. Only the conflict gauge rises.", right=True),
            Option("It shrinks.", "Look at the precisions: none of them has changed."),
        ),
        DraggableExperts(
            (
                DraggableExpert("first expert", (-1.5,), (0.45,)),
                DraggableExpert("second expert", (1.5,), (0.45,)),
            ),
            mixture=True,
        ),
    ),
    Step(
        "A three that is labelled as an eight",
        "Here is a picture of a 3 with the label 8. The product sides with the picture, whose "
        "expert is more precise, and is narrower than either. The shading shows the model's "
        "**exact** posterior, which further evidence narrows only on average: here the label "
        "widens it.",
        "Switch the label off and on. Compare how sharp, in nats, the product and the exact "
        "posterior are.",
        "What becomes narrower with every further modality?",
        (
            Option("The true posterior", "Only on average; a surprise may widen it."),
            Option("The model's product", "Yes, always: precisions only add.", right=True),
            Option("Both", "The product does. The true posterior may widen after a surprise."),
        ),
        Scene(flat=True, sample=493, label=8, panels=("plane", "growth")),
    ),
    Step(
        "What sub-sampled and covering training add",
        "Samples here are complete. **Joint** training optimises only the posterior given "
        "everything. **Sub-sampled** training adds each modality alone and random subsets, at "
        "every step. Neither checks what one modality predicts of another. **Covering** does: γ "
        "draws single posteriors to the joint one, κ makes them predict the label, ρ requires that "
        "a picture generated from a label be recognised as that label.",
        "Only the label is supplied. Change the training and compare samples and figures.",
        "Why is each modality also trained alone?",
        (
            Option(
                "So that its expert is useful alone",
                "Yes: the prior times one expert is trained to be a posterior too.",
                right=True,
            ),
            Option("So that training is faster", "It costs more: there are more terms per step."),
            Option(
                "So that the others can be zero",
                "A missing modality is left out, not replaced by zeros.",
            ),
        ),
        Scene(objectives=("joint", "sub-sampled", "covering"), supply=("label",)),
    ),
)
