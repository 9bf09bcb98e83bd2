"""The lesson's steps: one idea, one thing to do and one question each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STEPS", "DraggableExpert", "DraggableExperts", "Option", "Scene", "Step"]


@dataclass(frozen=True)
class Option:
    """An answer that may be chosen, and what is said to whoever chose it."""

    text: str
    reply: str
    right: bool = False


@dataclass(frozen=True)
class DraggableExpert:
    """A Gaussian that can be grabbed: mean and standard deviation in each dimension."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    on: bool = True


@dataclass(frozen=True)
class DraggableExperts:
    """A scene of Gaussians that can be grabbed.

    Args:
        experts: as they stand at first, all of them in one dimension or in two.
        prior: whether the prior N(0, I) is one of the factors.
        mixture: whether an equal mixture is drawn beside the product.
    """

    experts: tuple[DraggableExpert, ...]
    prior: bool = True
    mixture: bool = False


@dataclass(frozen=True)
class Scene:
    """A scene of a model's posterior; which model, its properties say.

    Args:
        objectives: names of training objectives, the first one shown first.
        tiles: whether its picture comes in several modalities.
        flat: whether it has two latents, so that its exact posterior is known.
        sample: number of the test example.
        label: category of its first label, where it is not the example's own.
        supply: kinds of the modalities that are supplied at first.
        limit: at most so many of them.
        panels: of the stage that are shown.
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
        task: the one thing to do.
        question: to be answered.
        options: exactly one of them is right.
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
        "One noisy witness is a Gaussian",
        "A number z is hidden. A witness saw it badly and says: about here, give or take so much. "
        "That is a Gaussian. Its mean μ says where, its standard deviation σ how far off it may "
        "be. How sure it is, is its **precision** T = 1/σ².",
        "Drag the dot to move the witness. Drag the diamond until the precision is about 4.",
        "You halve σ. What happens to the precision?",
        (
            Option("It doubles.", "The precision goes with the square of σ: try it on the stage."),
            Option(
                "It becomes four times as large.",
                "Yes: T = 1/σ², so half the width is four times the precision.",
                right=True,
            ),
            Option("It halves.", "A narrower witness is surer, so its precision grows."),
        ),
        DraggableExperts((DraggableExpert("witness", (1.0,), (1.0,)),), prior=False),
    ),
    Step(
        "Two witnesses: multiply",
        "Two witnesses saw z independently. Both statements must be likely, so their densities "
        "are **multiplied**, and a product of Gaussians is a Gaussian again. Precisions add. The "
        "mean is the average of the means, weighted by precision: the surer witness pulls harder.",
        "Make one witness much surer than the other and see where the product goes.",
        "One says 0 with T = 1, the other says 4 with T = 3. Where is the product?",
        (
            Option("At 2", "That would be so if both were equally sure."),
            Option("At 3", "Yes: (1·0 + 3·4) / (1 + 3) = 3.", right=True),
            Option("At 4", "The surer witness pulls harder, but the other one is heard too."),
        ),
        DraggableExperts(
            (
                DraggableExpert("first witness", (-1.5,), (1.0,)),
                DraggableExpert("second witness", (1.5,), (0.6,)),
            ),
            prior=False,
        ),
    ),
    Step(
        "The prior is a witness too",
        "Before anyone speaks, something is believed already: z comes from N(0, 1). This **prior** "
        "enters the product like a witness at 0 with precision 1, so T = 1 + T₁ + T₂. Therefore "
        "the posterior is a proper distribution even when nobody has spoken.",
        "Switch both witnesses off with the buttons under the curves, then on again, one by one.",
        "One witness says 2 with T = 1. With the prior, where is the posterior?",
        (
            Option("At 0", "That is the prior alone; the witness is heard as well."),
            Option("At 1", "Yes: (1·0 + 1·2) / (1 + 1) = 1.", right=True),
            Option("At 2", "That is the witness alone; the prior pulls towards 0."),
        ),
        DraggableExperts(
            (
                DraggableExpert("first witness", (2.0,), (1.0,)),
                DraggableExpert("second witness", (1.0,), (0.7,)),
            )
        ),
    ),
    Step(
        "Each direction by itself",
        "A model's latent z has many dimensions. Each expert of an MVAE is a Gaussian with "
        "independent dimensions: it may be sure of one and know nothing of another. The product "
        "is taken **in each dimension by itself**, so experts who know different things complete "
        "each other.",
        "Turn it round: let the first witness be narrow upwards, the second sideways.",
        "Two long thin ellipses cross at a right angle. What is their product?",
        (
            Option("A cross", "A product of Gaussians is a Gaussian: one ellipse."),
            Option("A small round spot", "Yes: each direction has one sure witness.", right=True),
            Option("As long and thin as one of them", "Where one is unsure, the other is sure."),
        ),
        DraggableExperts(
            (
                DraggableExpert("first witness", (0.8, 0.0), (0.3, 1.4)),
                DraggableExpert("second witness", (0.0, 1.0), (1.4, 0.3)),
            )
        ),
    ),
    Step(
        "A missing modality is a factor left out",
        "Now the witnesses are networks. Each quarter of this picture, and its label, has an "
        "encoder of its own, an **expert**, that answers with a Gaussian over z. The posterior is "
        "the prior times the experts at hand. For a quarter that is missing nothing is filled in: "
        "its factor is left out.",
        "Switch on one quarter after another. Watch the posterior sharpen and the digit settle.",
        "All switches are off. What is the posterior?",
        (
            Option("Undefined", "One factor is always there, even when nobody has spoken."),
            Option("The prior", "Yes, and what it generates may be any digit.", right=True),
            Option("The average of all posteriors", "Nothing is averaged: factors are left out."),
        ),
        Scene(tiles=True, sample=48, supply=("image",), limit=1),
    ),
    Step(
        "Conflicting witnesses",
        "Two sure witnesses contradict each other. Their product lands **between** them, where "
        "neither has been, as sharp as ever: widths depend on precisions alone. So a product can "
        "be confidently wrong, where a **mixture** (dotted) hedges and keeps both places. The "
        "**conflict gauge** tells: it measures how far the factors stand apart, in units of their "
        "widths.",
        "Pull the witnesses apart. Watch the product's width, the conflict and the mixture.",
        "As they move apart, what happens to the product's width?",
        (
            Option("It grows.", "Look at the precisions: none of them has changed."),
            Option("It stays the same.", "Yes. Only the conflict gauge rises.", right=True),
            Option("It shrinks.", "Look at the precisions: none of them has changed."),
        ),
        DraggableExperts(
            (
                DraggableExpert("first witness", (-1.5,), (0.45,)),
                DraggableExpert("second witness", (1.5,), (0.45,)),
            ),
            mixture=True,
        ),
    ),
    Step(
        "A three that is called an eight",
        "Here is a picture of a 3 with the label 8. The product sides with the picture, whose "
        "expert is surer, and is narrower than either. The shading is the **exact** posterior of "
        "this model. More evidence narrows that one only on average: here the label widens it.",
        "Switch the label off and on. Compare what the bars and the shading say in nats.",
        "What becomes narrower with every further modality?",
        (
            Option("The true posterior", "Only on average; a surprise may widen it."),
            Option("The model's product", "Yes, always: precisions only add.", right=True),
            Option("Both", "The product, yes. The true posterior may widen after a surprise."),
        ),
        Scene(flat=True, sample=493, label=8, panels=("plane", "growth")),
    ),
    Step(
        "What sub-sampled training buys, and what covering adds",
        "Samples here are complete. **Joint** training scores the posterior given everything, and "
        "no other. **Sub-sampled** training also scores each modality alone and random subsets, at "
        "every step. Neither asks what one modality says of another. **Covering** does: γ draws "
        "single posteriors to the joint one, κ makes them name the label, ρ has pictures of a "
        "label read back.",
        "Only the label is supplied. Change the training; compare samples and figures.",
        "Why is a modality scored alone as well?",
        (
            Option(
                "So that its expert is of use alone",
                "Yes: prior times one expert is practised as a posterior too.",
                right=True,
            ),
            Option("So that training is faster", "It costs more: further terms at every step."),
            Option(
                "So that the others can be zero",
                "Nothing stands in for what is missing, not zeros.",
            ),
        ),
        Scene(objectives=("joint", "sub-sampled", "covering"), supply=("label",)),
    ),
)
