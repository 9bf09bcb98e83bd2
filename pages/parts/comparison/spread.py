"""The standard deviations of a posterior as a picture."""

from __future__ import annotations

import math

from torch import Tensor

__all__ = ["AXIS", "height_of", "spread"]

#: Limits of the logarithmic axis of standard deviations.
LOW, HIGH = 0.03, 1.5
#: Largest number of dimensions that are drawn, the sharpest; evidence is informative about few.
AXIS = 32


def spread(own: Tensor, reference: Tensor | None, latents: int, ink: tuple[int, int, int]) -> str:
    """Return an SVG of standard deviations: an area up to the prior's line, a dashed reference.

    Args:
        own: standard deviations of a model's posterior, the sharpest dimension first, ``(D,)``.
        reference: those of the pinned model.
        latents: number of dimensions on the axis.
        ink: red, green and blue.
    """
    colour = f"rgb{ink}".replace(" ", "")
    level = height_of(1.0)
    edge = "" if reference is None else f'<path d="M{_steps(reference[:latents])}" class="r"/>'
    line = _steps(own[:latents])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {latents} 100" '
        f'preserveAspectRatio="none"><style>path{{fill:none;stroke:{colour};stroke-width:1.5;'
        "vector-effect:non-scaling-stroke}.a{fill-opacity:.22;stroke:none;"
        f"fill:{colour}}}.r{{stroke-opacity:.65;stroke-dasharray:3 2}}.p{{stroke-opacity:.4}}"
        f'</style><path class="a" d="M0 {level:.1f}L{line}V{level:.1f}Z"/>'
        f'<path class="p" d="M0 {level:.1f}H{latents}"/>{edge}<path d="M{line}"/></svg>'
    )


def height_of(std: float) -> float:
    """Return the height of a standard deviation on the axis: 0 at HIGH, 100 at LOW."""
    return 100 * math.log(HIGH / min(max(std, LOW), HIGH)) / math.log(HIGH / LOW)


def _steps(stds: Tensor) -> str:
    """Return the commands of an SVG path, a step for each dimension."""
    heights = [height_of(std) for std in stds.tolist()]
    return f"0 {heights[0]:.1f}" + "".join(
        f"V{height:.1f}H{i + 1}" for i, height in enumerate(heights)
    )
