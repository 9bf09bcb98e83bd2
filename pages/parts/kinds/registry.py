"""How pages show each kind of modality, by the name of the kind."""

from __future__ import annotations

from pages.parts.kinds import image, label, series, tags, text, vector
from pages.parts.kinds.base import KindView

__all__ = ["VIEWS"]

#: The view of every kind, by the name that a modality stores.
VIEWS: dict[str, KindView] = {
    view.name: view
    for view in (
        image.ImageView(),
        label.LabelView(),
        tags.TagsView(),
        text.TextView(),
        vector.VectorView(),
        series.SeriesView(),
    )
}
