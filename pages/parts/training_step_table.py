"""One training step as a table: what is encoded and reconstructed, and where gradients flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain, combinations

__all__ = ["METHODS", "Row", "step_rows", "step_table"]

#: Training methods: from the value in the URL to the words on the page.
METHODS = {"sub-sampled": "Sub-sampled", "denoising": "Denoising", "dbm": "DBM"}

HEADS = {
    "sub-sampled": ("ELBO term", "Encoded", "Reconstructed", "Gradients flow to"),
    "denoising": ("Term", "Encoded", "Reconstructed", "Gradients flow to"),
    "dbm": ("Phase", "Held at the data", "Sampled", "Weights that change"),
}
STYLE = """<style>
.step { border-collapse: collapse; width: 100%; font-size: .85rem; }
.step th, .step td {
  text-align: left; vertical-align: top; font-weight: 400; padding: .45rem .5rem .45rem 0;
  border: 0; border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent);
}
.step thead th { font-weight: 600; }
.step th small { display: block; font-size: .75rem; }
.step i { font-style: normal; display: inline-block; margin-right: .3rem; }
.step b {
  font-weight: 400; display: inline-block; margin: 0 .25rem .2rem 0; padding: 0 .35rem;
  border-left: 4px solid; background: color-mix(in srgb, currentColor 8%, transparent);
}
@media (max-width: 640px) { .step { font-size: .75rem; } }
</style>"""


@dataclass(frozen=True)
class Row:
    """One term of a training step.

    Args:
        term: its name.
        encoded: modalities that are encoded, or held at the data.
        reconstructed: modalities that are reconstructed, or sampled.
        groups: where gradients flow: groups of weights, and the modalities they belong to.
        note: a remark, such as how often the term occurs.
    """

    term: str
    encoded: tuple[str, ...]
    reconstructed: tuple[str, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    note: str = ""


def step_rows(step: str, names: Sequence[str]) -> list[Row]:
    """Return the terms of a step on a sample that has all modalities.

    Example:
        >>> [row.term for row in step_rows("sub-sampled", ["image", "label"])]
        ['all', 'image', 'label']
        >>> step_rows("denoising", ["image", "label"])[1].reconstructed
        ('image', 'label')
    """
    every = tuple(names)
    if step == "dbm":
        return _boltzmann(every)
    between = chain.from_iterable(combinations(every, n) for n in range(2, len(every)))
    subsets = [every, *((name,) for name in every), *between]
    rows = []
    for subset in subsets:
        targets = every if step == "denoising" else subset
        drawn = 1 < len(subset) < len(every)
        term = "all" if subset == every else " + ".join(subset)
        groups = (("encoders", subset), ("decoders", targets))
        note = "only if among the k drawn at random" if drawn else "every step"
        rows.append(Row(term, subset, targets, groups, note))
    return rows


def _boltzmann(every: tuple[str, ...]) -> list[Row]:
    whole = (("pathways", every), ("joint layer", ()))
    before = [
        Row(f"before: {name}", (name,), (name,), (("pathway", (name,)),), "layer by layer, as RBMs")
        for name in every
    ]
    return [
        *before,
        Row("positive", every, (), whole, "mean field; statistics are added"),
        Row("negative", (), every, whole, "persistent MCMC chains; statistics are subtracted"),
    ]


def step_table(step: str, names: Sequence[str], colours: Sequence[str]) -> str:
    """Return the step as an HTML table, with each modality in its colour."""
    colour = dict(zip(names, colours, strict=True))

    def chips(modalities: Sequence[str]) -> str:
        chip = '<b style="border-color:{}">{}</b>'
        return "".join(chip.format(colour[name], escape(name)) for name in modalities)

    def cells(row: Row) -> str:
        flows = "<br>".join(f"<i>{name}</i>{chips(owners)}" for name, owners in row.groups)
        columns = (chips(row.encoded) or "nothing", chips(row.reconstructed) or "nothing", flows)
        head = f'<th scope="row">{escape(row.term)}<small>{escape(row.note)}</small></th>'
        return head + "".join(f"<td>{cell}</td>" for cell in columns)

    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS[step])
    body = "".join(f"<tr>{cells(row)}</tr>" for row in step_rows(step, names))
    return (
        f'{STYLE}<table class="step"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    )
