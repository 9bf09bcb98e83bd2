"""A visit to the app without a browser, on the bundled checkpoints."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor

from mvae import search_path
from mvae.checkpoint import load_model
from mvae.distributions.gaussian import Gaussian, Product, product_of_experts
from pages.parts.plain import JOINER
from pages.parts.server import loading
from pages.parts.stage.planes import plane_of

ROOT = Path(__file__).parents[2]
# The frame and not app.py, which gives an empty page to AppTest.
FRAME = ROOT / "pages" / "frame.py"


def unpack(text: str) -> Tensor:
    """Read packed little-endian float32."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), "<f4").copy())


@dataclass(frozen=True)
class Shown:
    """What follows from the data that the stage is given, worked out as the stage does.

    Args:
        sharpness: in nats, after 0, 1, … modalities.
        posterior: the product, ``(D,)``.
        shares: of the prior and of each modality that is supplied, ``(1 + M, D)``.
        draws: of the posterior, ``(N, D)``.
        expected: the mean of every modality over the draws.
    """

    sharpness: list[float]
    posterior: Gaussian
    shares: Tensor
    draws: Tensor
    expected: dict[str, Tensor]


class Visit:
    """What a visitor sees and does, in words that do not depend on how the page is built."""

    unpack = staticmethod(unpack)

    def __init__(self, page: str | None = None, **params: str) -> None:
        self.app = AppTest.from_file(str(FRAME), default_timeout=120)
        for name, value in params.items():
            self.app.query_params[name.replace("_", "-")] = value
        self.app.run()
        if page:
            self.app.switch_page(page).run()
        self.check()

    def check(self) -> Visit:
        """No page ever shows a framework's error."""
        assert not self.app.exception
        return self

    def set(self, kind: str, key: str, value: object) -> Visit:
        """Set the widget of a kind and key."""
        getattr(self.app, kind)(key=key).set_value(value)
        self.app.run()
        return self.check()

    def switch(self, name: str, on: bool) -> Visit:
        """Throw the switch of a modality."""
        return self.set("toggle", f"supply {name}", on)

    @property
    def headline(self) -> str:
        """The sentence at the top, without emphasis."""
        return next(m.value for m in self.app.markdown if m.value.startswith("### ")).replace(
            "**", ""
        )

    @property
    def remarks(self) -> str:
        """All text of the page."""
        return "\n".join(m.value for m in (*self.app.markdown, *self.app.caption))

    @property
    def problems(self) -> str:
        """Warnings and errors, as they are read: what keeps Markdown from them is not seen."""
        said = "\n".join(x.value for x in (*self.app.warning, *self.app.error))
        return re.sub(r"\\([^\w\s])", r"\1", said).replace(JOINER, "")

    @property
    def stage(self) -> dict[str, Any]:
        """What the stage is given."""
        return self.component("mvae_stage")

    def component(self, name: str) -> dict[str, Any]:
        """What a component of the page is given."""
        data: dict[str, Any] = json.loads(self._find(name).proto.json)
        return data

    @property
    def products(self) -> Product:
        """The products that the stage draws, after 0, 1, … of the supplied modalities."""
        data = self.stage
        latents, evidence = data["latents"], data["evidence"]
        packed = [data["experts"][name] for name in evidence]
        mean, logvar = (
            torch.stack([unpack(e[part]) for e in packed]).double().unsqueeze(1)
            if packed
            else torch.zeros(0, 1, latents, dtype=torch.float64)
            for part in ("mean", "logvar")
        )
        counts = range(len(evidence) + 1)
        present = torch.tensor([[[i < n for i in range(len(evidence))]] for n in counts]).bool()
        return product_of_experts(Gaussian(mean, logvar), present)

    @property
    def inference(self) -> Shown:
        """What the stage makes of it; tests in a browser see to it that it does."""
        data, product = self.stage, self.products
        q = product.posterior[-1, 0]
        noise = unpack(data["noise"]).reshape(data["draws"], data["latents"])
        draws = q.mean.float() + q.std.float() * noise
        with torch.no_grad():
            model, _ = load_model(self.url["data"], self.url["model"], search_path.CHECKPOINTS)
            samples = model.expected(draws)
        return Shown(
            sharpness=(-0.5 * product.posterior.logvar[:, 0].sum(-1)).tolist(),
            posterior=q,
            shares=product.shares[-1, :, 0],
            draws=draws,
            expected={name: x.mean(0) for name, x in samples.items()},
        )

    def event(self, done: object) -> Visit:
        """Do something on the stage."""
        return self.message("mvae_stage", {"event": done})

    def message(self, component: str, content: object) -> Visit:
        """Send what a browser would of a component, so that callbacks run.

        To set the session's state would not do; a callback hears of messages only.
        """
        states = self.app._tree.get_widget_states()
        states.widgets.add(id=self._find(component).proto.id, json_value=json.dumps(content))
        self.app._run(widget_state=states)
        return self.check()

    def _find(self, name: str) -> Any:
        found = [c for c in self.app.get("bidi_component") if c.proto.component_name == name]
        assert len(found) == 1
        return found[0]

    @property
    def url(self) -> dict[str, str]:
        """Query parameters."""
        return {
            name: value if isinstance(value, str) else value[0]
            for name, value in self.app.query_params.items()
        }


@pytest.fixture(scope="module")
def toy_pages(toy_root: Path) -> Iterator[Path]:
    """Let pages show toy checkpoints of every kind of modality."""
    caches = (loading._load, loading.samples_of, loading.metrics_of, loading.map_of)
    caches += (loading.records_of, plane_of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_path, "CHECKPOINTS", toy_root)
        for cache in caches:
            cache.clear()
        yield toy_root
    for cache in caches:
        cache.clear()


@pytest.fixture
def visit() -> Callable[..., Visit]:
    """Begin a visit, optionally on another page and with query parameters."""
    return Visit
