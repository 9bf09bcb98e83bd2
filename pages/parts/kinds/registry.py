"""What pages know of a kind, by its name."""

from __future__ import annotations

from pages.parts.kinds import image, label, series, tags, text, vector
from pages.parts.kinds.base import KindView

__all__ = ["VIEWS"]

#: The name that a modality gives as its kind, and how pages show it.
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
