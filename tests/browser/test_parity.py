"""JavaScript against torch and numpy: the stage's algebra and decoders, alone in a blank page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from playwright.sync_api import Browser, Error

from mvae.checkpoint import load_model
from mvae.gaussian import Gaussian, conflict, product_of_experts
from mvae.modality import Modality
from mvae.model import MVAE
from mvae.text import said
from pages.parts import assets
from pages.parts.modules import script
from tests import toys
from tests.bundled import WITH_EXPERTS

STAGE = Path(__file__).resolve().parents[2] / "pages/parts/stage"
#: What of the stage is tested here: each module, joined with those that it imports, gives these.
EXPORTS = {
    "algebra": "product, information, sharpness, conflict, density, between, project, beside, "
    "lift, slice, ellipse, mostTelling",
    "decoder": "decoders, tensors",
}
#: Makes a module of a text, whatever page it is in, and keeps it as `name` of the window.
IMPORT = """async ([name, text]) => {
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    window[name] = await import(address);
}"""
UNPACK = """() => {
window.bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
window.packed = (array) => {
    let text = "";
    for (const byte of new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) {
        text += String.fromCharCode(byte);
    }
    return btoa(text);
};
}"""
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def call(browser: Browser) -> Iterator[Call]:
    """Give a function that evaluates JavaScript in which `algebra` and `decoder` are modules."""
    page = browser.new_page()
    for name, exports in EXPORTS.items():
        text = script(STAGE / f"{name}.js")
        page.evaluate(IMPORT, [name, f"{text}\nexport {{ {exports} }};"])
    page.evaluate(UNPACK)
    yield page.evaluate
    page.close()


def plain(value: Any) -> Any:
    """Turn tensors and arrays, in whatever they lie, into what a browser can be given."""
    if isinstance(value, Gaussian):
        return {"mean": value.mean.tolist(), "logvar": value.logvar.tolist()}
    return value.tolist()


# Decoders


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
    lengths = said(tokens).sum(-1)
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


# The algebra


def experts_of(kind: str, count: int, latents: int = 24) -> Gaussian:
    """Make experts, ordinary or with log-variances far out."""
    source = torch.Generator().manual_seed(count + 100 * latents)
    mean = 3 * torch.randn(count, latents, generator=source, dtype=torch.float64)
    logvar = 2 * torch.randn(count, latents, generator=source, dtype=torch.float64)
    extremes = {"ordinary": [], "far": [-50.0, 50.0], "farthest": [-700.0, 700.0, -50.0, 50.0]}
    for i, value in enumerate(extremes[kind]):
        for row in range(count):
            logvar[row, (i + row) :: 5] = value
    return Gaussian(mean, logvar)


ALGEBRA = """([experts, D]) => {
    const q = algebra.product(experts, D);
    const all = (x) => Array.from(x);
    return {
        mean: all(q.mean), logvar: all(q.logvar), shares: q.shares.map(all),
        information: all(algebra.information(q)),
        informations: experts.map((e) => all(algebra.information(e))),
        sharpness: algebra.sharpness(q), conflict: algebra.conflict(experts, q),
    };
}"""


@pytest.mark.parametrize("kind", ["ordinary", "far", "farthest"])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_products_are_those_of_the_library(call: Call, kind: str, count: int) -> None:
    experts = experts_of(kind, count)
    latents = experts.shape[1]
    got = call(ALGEBRA, [[plain(experts[i]) for i in range(count)], latents])
    batch = Gaussian(experts.mean.unsqueeze(1), experts.logvar.unsqueeze(1))
    product = product_of_experts(batch, torch.ones(1, count, dtype=torch.bool))
    q = product.posterior[0]
    prior = Gaussian.standard((latents,), torch.float64)

    def close(a: Any, b: torch.Tensor) -> None:
        a, b = np.asarray(a, dtype=float), b.numpy()
        assert a.shape == b.shape
        assert np.isfinite(a).all()
        # relative where numbers are huge: e^700 has 304 digits
        assert (np.abs(a - b) <= 1e-6 * np.maximum(1, np.abs(b))).all()

    close(got["mean"], q.mean)
    close(got["logvar"], q.logvar)
    close(got["shares"], product.shares[:, 0])
    close(got["information"], q.information())
    close(got["sharpness"], prior.entropy() - q.entropy())
    close(got["conflict"], conflict(batch, product)[0])
    if count:
        close(got["informations"], experts.information())
    else:
        assert not any(got["mean"] + got["logvar"])
        assert got["shares"] == [[1.0] * latents]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_most_telling_comes_first(call: Call, count: int) -> None:
    experts = experts_of("ordinary", count)
    names = [f"expert {i}" for i in range(count)]
    given = {name: plain(experts[i]) for i, name in enumerate(names)}
    got = call(
        "([experts, names, D]) => algebra.mostTelling(experts, names, D)", [given, names, 24]
    )
    batch = Gaussian(experts.mean.unsqueeze(1), experts.logvar.unsqueeze(1))

    def entropy(chosen: list[str]) -> float:
        mask = torch.tensor([[name in chosen for name in names]])
        return product_of_experts(batch, mask).posterior.entropy().item()

    wanted: list[str] = []
    while len(wanted) < count:
        left = [name for name in names if name not in wanted]
        wanted.append(min(left, key=lambda name: entropy([*wanted, name])))
    assert got == wanted


def plane_in(latents: int, seed: int, oblique: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Make orthonormal axes of a plane ``(2, D)``, and a point beside it."""
    source = np.random.default_rng(seed)
    basis = np.linalg.qr(source.normal(size=(latents, latents)))[0].T
    axes = basis[:2] if oblique else np.eye(latents)[source.permutation(latents)[:2]]
    rest = source.normal(size=latents)
    return axes, rest - axes.T @ (axes @ rest)


def sliced(call: Call, q: Gaussian, axes: np.ndarray, rest: np.ndarray) -> tuple:
    found = call(
        "([q, axes, rest]) => algebra.slice(q, axes, rest)", [plain(q), *map(plain, (axes, rest))]
    )
    a, b, c = found["precision"]
    return np.array(found["mean"]), np.array([[a, b], [b, c]])


@pytest.mark.parametrize("oblique", [True, False])
@pytest.mark.parametrize("latents", [2, 3, 16, 64])
def test_a_slice_is_the_gaussian_given_that_the_latent_is_on_the_plane(
    call: Call, latents: int, oblique: bool
) -> None:
    axes, rest = plane_in(latents, 3 * latents, oblique)
    q = experts_of("ordinary", 1, latents)[0]
    mean, precision = sliced(call, q, axes, rest)
    # in coordinates of which the first two lie in the plane, given that the others are zero
    others = np.linalg.svd(axes)[2][2:]
    turn = np.vstack([axes, others])
    covariance = turn @ np.diag(q.logvar.exp().numpy()) @ turn.T
    centre = turn @ (q.mean.numpy() - rest)
    weights = covariance[:2, 2:] @ np.linalg.inv(covariance[2:, 2:])
    wanted = centre[:2] - weights @ centre[2:]
    spread = covariance[:2, :2] - weights @ covariance[2:, :2]
    assert np.abs(np.linalg.inv(precision) - spread).max() <= 1e-6 * np.abs(spread).max()
    assert np.abs(mean - wanted).max() <= 1e-6 * max(1, np.abs(wanted).max())


def test_slices_multiply_as_the_experts_do_and_projections_do_not(call: Call) -> None:
    axes, rest = plane_in(16, 5)
    experts = experts_of("ordinary", 3, 16)
    q = call(
        "(experts) => { const { mean, logvar } = algebra.product(experts, 16);"
        " return [Array.from(mean), Array.from(logvar)]; }",
        [plain(experts[i]) for i in range(3)],
    )
    product = Gaussian(*map(torch.tensor, q))
    factors = [Gaussian.standard((16,), torch.float64), *(experts[i] for i in range(3))]
    slices = [sliced(call, factor, axes, rest) for factor in factors]
    mean, precision = sliced(call, product, axes, rest)
    total = sum(p for _, p in slices)
    assert np.abs(total - precision).max() < 1e-6 * np.abs(total).max()
    assert np.linalg.solve(total, sum(p @ m for m, p in slices)) == pytest.approx(mean, abs=1e-6)

    def projection(gaussian: Gaussian) -> np.ndarray:
        return np.linalg.inv(axes @ np.diag(gaussian.logvar.exp().numpy()) @ axes.T)

    apart = sum(projection(factor) for factor in factors) - projection(product)
    assert np.abs(apart).max() > 0.1 * np.abs(total).max()


@pytest.mark.parametrize("ratio", [1.0, 1 + 1e-9, 1.001, 3.0, 100.0, 1e4])
def test_an_ellipse_has_the_axes_of_the_covariance(call: Call, ratio: float) -> None:
    for turn in (*np.linspace(-3, 3, 13), 0.0, np.pi / 4, np.pi / 2, -np.pi / 2):
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        covariance = rotation @ np.diag([(0.3 * ratio) ** 2, 0.3**2]) @ rotation.T
        p = rotation @ np.diag([(0.3 * ratio) ** -2, 0.3**-2]) @ rotation.T
        found = call("(precision) => algebra.ellipse({ precision })", [p[0, 0], p[0, 1], p[1, 1]])
        sizes, vectors = np.linalg.eigh(covariance)
        assert found["long"] == pytest.approx(np.sqrt(sizes[1]), rel=1e-6)
        assert found["short"] == pytest.approx(np.sqrt(sizes[0]), rel=1e-6)
        along = np.array([np.cos(found["angle"]), np.sin(found["angle"])])
        if ratio > 1.0001:
            assert abs(along @ vectors[:, 1]) == pytest.approx(1, abs=1e-9)
        across = np.array([-along[1], along[0]])
        again = found["long"] ** 2 * np.outer(along, along)
        again += found["short"] ** 2 * np.outer(across, across)
        assert np.abs(again - covariance).max() <= 1e-6 * np.abs(covariance).max()


def test_a_latent_is_its_place_on_the_plane_and_what_lies_beside_it(call: Call) -> None:
    axes, _ = plane_in(9, 2)
    z = np.random.default_rng(1).normal(size=9)
    found = call(
        """([z, axes]) => {
            const [at, rest] = [algebra.project(z, axes), algebra.beside(z, axes)];
            const back = algebra.lift(at, axes, rest);
            const moved = algebra.lift([1.5, -2], axes, rest);
            return [at, rest, algebra.project(rest, axes), back, algebra.project(moved, axes),
                algebra.beside(moved, axes)].map((x) => Array.from(x));
        }""",
        [z.tolist(), axes.tolist()],
    )
    at, rest, nothing, back, moved, still = map(np.array, found)
    assert at == pytest.approx(axes @ z, abs=1e-12)
    assert rest == pytest.approx(z - axes.T @ axes @ z, abs=1e-12)
    assert nothing == pytest.approx([0, 0], abs=1e-12)
    assert back == pytest.approx(z, abs=1e-12)
    assert moved == pytest.approx([1.5, -2], abs=1e-12)
    assert still == pytest.approx(rest, abs=1e-12)


def test_between_two_beliefs_and_densities(call: Call) -> None:
    a, b = experts_of("ordinary", 2)[0], experts_of("ordinary", 2)[1]
    for part in (0, 0.25, 1):
        found = call(
            """([a, b, part]) => {
                const q = algebra.between(a, b, part);
                return [Array.from(q.mean), Array.from(q.logvar)];
            }""",
            [plain(a), plain(b), part],
        )
        for got, x, y in zip(found, (a.mean, a.logvar), (b.mean, b.logvar), strict=True):
            assert got == pytest.approx(((1 - part) * x + part * y).tolist(), abs=1e-12)
    z = torch.linspace(-4, 4, 17, dtype=torch.float64)
    for mean, std in ((0.0, 1.0), (1.3, 0.02), (-2.0, 5.0)):
        normal = torch.distributions.Normal(*torch.tensor([mean, std], dtype=torch.float64))
        got = call("([z, m, s]) => z.map((x) => algebra.density(x, m, s))", [z.tolist(), mean, std])
        assert got == pytest.approx(normal.log_prob(z).exp().tolist(), rel=1e-9, abs=1e-12)
