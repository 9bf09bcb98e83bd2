"""JavaScript against torch: the decoders, alone in a blank page."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from playwright.sync_api import Error

from mvae.checkpoint import load_model
from mvae.distributions.autoregressive import text_mask
from mvae.modality import Modality
from mvae.models.mvae import MVAE
from pages.parts.server import assets
from tests import toys
from tests.browser.javascript import Call
from tests.bundled import WITH_EXPERTS


def decoded(
    call: Call, content: bytes, modalities: tuple[Modality, ...], z: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Decode latents one by one in the browser; gives ``(N, numbers)`` for each modality."""
    found = call(
        """([content, described, latents, D]) => {
            const decoders = decoder.decoders(bytes(content), described);
            const z = new Float32Array(bytes(latents));
            return decoders.map((decode) => {
                const all = [];
                for (let n = 0; n < z.length; n += D) all.push(...decode(z.subarray(n, n + D)));
                return packed(Float32Array.from(all));
            });
        }""",
        [
            base64.b64encode(content).decode(),
            [{"likelihood": m.likelihood, "shape": m.shape} for m in modalities],
            base64.b64encode(z.numpy().astype("<f4").tobytes()).decode(),
            z.shape[1],
        ],
    )
    arrays = [np.frombuffer(base64.b64decode(x), "<f4").reshape(len(z), -1) for x in found]
    return {m.name: torch.from_numpy(x.copy()) for m, x in zip(modalities, arrays, strict=True)}


def decoded_by_torch(model: MVAE, z: torch.Tensor) -> dict[str, torch.Tensor]:
    """Decode latents to means ``(N, ...)``; behind a Gaussian's, its standard deviations."""
    found = {}
    with torch.no_grad():
        for m in model.modalities:
            p = model.decode(z, m.name)
            mean = m.distribution.expected(p)
            found[m.name] = torch.stack((mean, p.stddev), 1) if m.likelihood == "gaussian" else mean
    return found


def assert_close(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Compare numbers; relatively where a standard deviation is large."""
    assert got.shape == wanted.flatten(1).shape
    wrong = (got - wanted.flatten(1)).abs()
    assert (wrong <= 1e-3 * wanted.flatten(1).abs().clamp(min=1)).all()


@pytest.mark.parametrize(("data", "name"), WITH_EXPERTS)
def test_decoders_give_the_probabilities_that_torch_gives(call: Call, data: str, name: str) -> None:
    model, _ = load_model(data, name)
    source = torch.Generator().manual_seed(7)
    z = 1.5 * torch.randn(100, model.latents, generator=source)
    got = decoded(call, assets.decoders(data, name), model.modalities, z)
    wanted = decoded_by_torch(model, z)
    assert len(got) == len(wanted) >= 2
    # There is something to compare, if not in every modality: of singles alone a model learns
    # labels that say nothing.
    assert max(np.ptp(expected.numpy()) for expected in wanted.values()) > 0.5
    for m in model.modalities:
        if m.kind == "text":
            compare_texts(got[m.name].view_as(wanted[m.name]), wanted[m.name])
        else:
            assert_close(got[m.name], wanted[m.name])
        if m.kind == "label":
            assert (got[m.name].sum(1) - 1).abs().max() < 1e-5


def decoders_of(model: MVAE) -> bytes:
    """Write decoders as a checkpoint has them."""
    weights = {n: w.half() for n, w in model.state_dict().items() if n.startswith("decoders.")}
    return safetensors.torch.save(weights)


@pytest.mark.parametrize("data", toys.TOYS)
def test_every_kind_of_decoder_gives_what_torch_gives(call: Call, data: str) -> None:
    model = toys.build(toys.TOYS[data])
    z = 1.5 * torch.randn(100, model.latents, generator=torch.Generator().manual_seed(7))
    got = decoded(call, decoders_of(model), model.modalities, z)
    wanted = decoded_by_torch(model, z)
    for m in model.modalities:
        mean = wanted[m.name]
        assert mean.std(0).max() > 0.05  # the latents make a difference
        if m.kind == "text":
            compare_texts(got[m.name].view_as(mean), mean)
        else:
            assert_close(got[m.name], mean)


def compare_texts(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Compare probabilities of tokens ``(N, L, V)``, each text up to a choice made by a hair."""
    tokens = wanted.argmax(-1)
    assert len(tokens.unique(dim=0)) > 30  # many different texts,
    lengths = text_mask(tokens).sum(-1)
    assert lengths.min() < lengths.max()  # not all of the same length
    # Rounding decides between two tokens that are equally likely, and what follows is another
    # text: such a text is compared up to there, the choice itself included.
    first, second = wanted.topk(2, -1).values.unbind(-1)
    tie = first - second < 1e-4
    before = tie.cumsum(-1) - tie.long() == 0
    assert before.float().mean() > 0.95
    assert ((got - wanted).abs().amax(-1) * before).max() <= 1e-3
    sure = before & ~tie
    assert torch.equal(got.argmax(-1)[sure], tokens[sure])
    assert ((got.sum(-1) - 1).abs().max()) < 1e-5
    ended = (got.argmax(-1) == 0).cumsum(-1) - (got.argmax(-1) == 0).long() > 0
    assert bool((got[..., 0][ended] == 1).all())  # after the end there is nothing else


def places(x: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Place numbers ``(channels, length)`` on the channels' axes, one below the other."""
    share = (high.unsqueeze(1) - x) / (high - low).unsqueeze(1)
    return 56 * (torch.arange(len(x)).unsqueeze(1) + share)


def test_a_series_is_drawn_as_its_mean_and_how_far_it_spreads(call: Call) -> None:
    sensor = toys.TOYS["signals"][0]
    model = toys.build([sensor])
    z = 1.5 * torch.randn(30, model.latents, generator=torch.Generator().manual_seed(7))
    wanted = decoded_by_torch(model, z)[sensor.name]  # (N, 2, channels, length)
    drawn = call(
        """([numbers, shape]) => {
            const part = series.series({ name: "sensor", colour: "red", shape }, 0);
            const all = new Float32Array(bytes(numbers));
            const size = 2 * shape[0] * shape[1];
            const count = all.length / size;
            const draw = (n) => all.subarray(n * size, (n + 1) * size);
            part.clear();
            for (let n = 0; n < count; n++) part.add(n, [draw(n)]);
            part.show();
            const svg = part.parts[1];
            const paths = () => [...svg.querySelectorAll("path")].map((p) => p.getAttribute("d"));
            const shown = paths();
            part.hold([draw(0)]);
            return [shown, paths(), svg.getAttribute("aria-label")];
        }""",
        [base64.b64encode(wanted.numpy().astype("<f4").tobytes()).decode(), list(sensor.shape)],
    )
    mean, std = wanted.double().unbind(1)
    spread = (std.square() + mean.square()).mean(0) - mean.mean(0).square()
    states = [(mean.mean(0), spread.sqrt()), (mean[0], std[0])]
    low, high = torch.full((2,), math.inf), torch.full((2,), -math.inf)
    for paths, (mu, sigma) in zip(drawn[:2], states, strict=True):
        low = torch.minimum(low, (mu - sigma).amin(-1))
        high = torch.maximum(high, (mu + sigma).amax(-1))
        lines, upper, lower = (places(x, low, high) for x in (mu, mu + sigma, mu - sigma))
        for c in range(2):
            band, line = (
                torch.tensor(np.array(re.findall(r"([\d.]+) (-?[\d.]+)", path), float))
                for path in paths[2 * c : 2 * c + 2]
            )
            assert (line[:, 0] - torch.linspace(0, 240, 21)).abs().max() < 0.01
            assert (line[:, 1] - lines[c]).abs().max() < 0.02
            edge = torch.cat((upper[c], lower[c].flip(0)))
            assert (band[:, 1] - edge).abs().max() < 0.02
    assert drawn[2].startswith("mean generated sensor: 42 numbers from ")


def test_any_width_will_do(call: Call, toy_model: Callable[..., Any]) -> None:
    model = toy_model(latents=3).half().float()
    z = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    got = decoded(call, decoders_of(model), model.modalities, z)
    with torch.no_grad():
        wanted = model.expected(z)
    for m in model.modalities:
        expected = wanted[m.name].flatten(1)
        assert (got[m.name][:, : expected.shape[1]] - expected).abs().max() < 1e-5


def test_every_float16_is_read_as_numpy_reads_it(call: Call) -> None:
    bits = np.arange(65536, dtype="<u2")
    tensors = {
        "first": torch.zeros(3, dtype=torch.float16),
        "all": torch.from_numpy(bits.view(np.int16).copy()).view(torch.float16).reshape(256, 256),
    }
    content = safetensors.torch.save(tensors, {"format": "pt"})
    found = call(
        """(content) => {
            const found = decoder.tensors(bytes(content));
            const { shape, values } = found.all;
            return [Object.keys(found).sort(), shape, packed(values)];
        }""",
        base64.b64encode(content).decode(),
    )
    assert found[:2] == [["all", "first"], [256, 256]]
    got = np.frombuffer(base64.b64decode(found[2]), "<f4")
    wanted = bits.view("<f2").astype("<f4")
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    number = ~np.isnan(wanted)
    # to the bit, so that −0 differs from 0
    assert np.array_equal(got.view("<u4")[number], wanted.view("<u4")[number])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int16])
def test_what_is_no_float16_is_refused(call: Call, dtype: torch.dtype) -> None:
    content = safetensors.torch.save({"decoders.0.net.0.weight": torch.zeros(2, 2, dtype=dtype)})
    with pytest.raises(Error, match=r"decoders.0.net.0.weight is \w+, not F16"):
        call("(c) => decoder.tensors(bytes(c))", base64.b64encode(content).decode())


def test_a_file_cut_short_is_refused(call: Call) -> None:
    content = assets.decoders("mnist", "mvae-2d")[:200]
    with pytest.raises(Error):
        call("(c) => decoder.tensors(bytes(c))", base64.b64encode(content).decode())
