"""The base of models with one network per direction: from all other modalities to one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mvae.modality import Modality
from mvae.models.base import MultimodalModel

__all__ = ["ConditionalModel"]


class ConditionalModel(MultimodalModel):
    r"""A model of each modality given all the others, :math:`p(x_j|x_{-j})`, with no joint model.

    Args:
        modalities: at least two.
        latents: D, for each direction.

    Raises:
        ValueError: for fewer than two modalities.
    """

    no_experts = "It has a network for each direction, and no experts over shared latents."
    no_likelihood = (
        "It models each modality given the others, never all together: it has no joint log p."
    )

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        if len(self.modalities) < 2:
            raise ValueError("a conditional model needs at least two modalities")

    def cannot(self, given: Collection[str], wanted: str) -> str:
        """Return why it cannot, unless the evidence is all modalities except the wanted one."""
        if wanted in given:
            return f"It generates the {wanted} from the other modalities and cannot reconstruct it."
        others = [m.name for m in self.modalities if m.name != wanted]
        if set(given) != set(others):
            return f"It was trained to generate the {wanted} from {' and '.join(others)} only."
        return ""
