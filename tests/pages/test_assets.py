"""What browsers fetch: exactly the checkpoint's decoders and the examples' pictures."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pytest
import safetensors.torch
import torch
import uvicorn
from starlette.applications import Starlette

from mvae import search_path
from mvae.checkpoint import load_model, load_samples
from mvae.files import load_tensors
from pages.parts.server import assets, loading
from tests.bundled import CHECKPOINTS, WITH_EXPERTS

EVER = "public, max-age=31536000, immutable"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    content: bytes


@pytest.fixture(scope="module")
def get() -> Iterator[Callable[..., Answer]]:
    """Serve the assets; gives a function that asks for a path just as it is written."""
    app = Starlette(routes=assets.routes)
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="error"))
    listening = server.config.bind_socket()
    listening.listen()
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()

    def ask(path: str, method: str = "GET") -> Answer:
        # it listens already, so that a question waits for the server
        connection = HTTPConnection(*listening.getsockname(), timeout=60)
        connection.request(method, path)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        content = answer.read()
        connection.close()
        return Answer(answer.status, headers, content)

    yield ask
    server.should_exit = True
    thread.join(20)


@pytest.mark.parametrize(("data", "model"), WITH_EXPERTS)
def test_decoders_are_those_of_the_checkpoint_to_the_bit(get, data, model):
    answer = get("/" + assets.decoders_path(data, model))
    assert answer.status == 200
    assert answer.headers["cache-control"] == EVER
    assert answer.headers["content-type"] == "application/octet-stream"
    got = safetensors.torch.load(answer.content)
    weights = load_tensors(CHECKPOINTS / data / model / "weights.safetensors")
    wanted = {name for name in weights if name.split(".")[0] == "decoders"}
    assert got.keys() == wanted
    assert len(wanted) < len(weights)
    for name in wanted:
        assert got[name].dtype == torch.float16
        assert torch.equal(got[name].view(torch.int16), weights[name].view(torch.int16))
    modules = load_model(data, model)[0].state_dict()
    assert wanted == {name for name in modules if name.startswith("decoders.")}


@pytest.mark.parametrize("data", ["mnist", "fashion", "quadrants"])
def test_pictures_are_those_of_the_examples(get, data):
    answer = get("/" + assets.pictures_path(data, "mvae"))
    assert answer.status == 200
    assert answer.headers["cache-control"] == EVER
    got = torch.from_numpy(np.frombuffer(answer.content, np.uint8).copy()).reshape(-1, 28, 28)
    values = load_samples(data, load_model(data, "mvae")[0].modalities).values
    if data == "quadrants":  # put together by hand
        rows = [
            torch.cat([values[f"{row} {side}"][:, 0] for side in ("left", "right")], 2)
            for row in ("top", "bottom")
        ]
        wanted = torch.cat(rows, 1)
    else:
        wanted = values["image"][:, 0]
    assert got.shape == wanted.shape
    assert (got.float() / 255 - wanted.float()).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    "path",
    [
        "/assets/mnist/gpt/decoders",
        "/assets/imagenet/mvae/decoders",
        "/assets/mnist/mvae/weights",
        "/assets/mnist/mvae/weights.safetensors",
        "/assets/mnist/classifier/decoders",
        "/assets/mnist/classifier.safetensors/decoders",
        "/assets/../mvae/decoders",
        "/assets/..%2fcheckpoints%2fmnist/mvae/decoders",
        "/assets/mnist/..%2fmnist%2fmvae/decoders",
        "/assets/mnist/..%2f..%2fmnist%2fmvae/decoders",
        "/assets/mnist/%2e%2e%2fmnist%2fmvae/decoders",
        "/assets/mnist/..%5cmvae/decoders",
        "/assets/mnist/mvae/..%2fmvae%2fdecoders",
        "/assets/mnist/mvae%00/decoders",
        f"/assets/{quote('né')}/mvae/decoders",
        f"/assets/mnist/{'m' * 5000}/decoders",
        "/assets/mnist/mvae/",
        "/assets/mnist/mvae/decoders/",
        "/assets/mnist",
    ],
)
def test_what_is_not_there_is_not_found(get, path):
    answer = get(path)
    assert answer.status in (404, 307)
    if answer.status == 307:  # of a slash at the end, which Starlette takes away
        assert answer.headers["location"].endswith(path.rstrip("/"))
    assert "immutable" not in answer.headers.get("cache-control", "")
    assert len(answer.content) < 100


@pytest.mark.parametrize(
    "path", ["mnist/gpt/decoders", "imagenet/mvae/pictures", "mnist/mvae/weights"]
)
def test_an_unknown_name_gets_a_sentence(get, path):
    answer = get(f"/assets/{path}")
    assert answer.status == 404
    assert answer.content == b"There is no such asset."


def test_only_reading_is_allowed(get):
    address = "/" + assets.decoders_path("mnist", "mvae")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert get(address, method).status == 405


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Iterator[None]:
    """Put copies of one data set where the app looks, without what it needs."""
    folder = tmp_path / "mnist" / "mvae"
    folder.mkdir(parents=True)
    original = CHECKPOINTS / "mnist" / "mvae"
    (folder / "config.json").write_bytes((original / "config.json").read_bytes())
    content = (original / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(content[: len(content) // 2])
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    for cached in (loading._load, loading.samples_of):
        cached.clear()
    yield
    for cached in (loading._load, loading.samples_of):
        cached.clear()


@pytest.mark.parametrize("what", ["decoders", "pictures"])
def test_a_damaged_checkpoint_gets_a_sentence(get, empty, what):
    answer = get(f"/assets/mnist/mvae/{what}")
    assert answer.status == 404
    assert b"damaged" in answer.content
    assert b"Traceback" not in answer.content


def put(root: Path, source: str) -> None:
    """Put a data set's mvae-2d where the app looks, under one name."""
    for path in (CHECKPOINTS / source / "mvae-2d").iterdir():
        target = root / "mnist" / "mvae-2d" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)  # with its time of change
    config = root / "mnist" / "mvae-2d" / "config.json"  # it says that it belongs here
    config.write_text(config.read_text().replace('"dataset": "fashion"', '"dataset": "mnist"'))
    shutil.copy2(CHECKPOINTS / source / "samples.safetensors", root / "mnist")


def test_decoders_are_of_the_version_that_infers_and_no_other(get, tmp_path, monkeypatch):
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    put(tmp_path, "mnist")
    first = assets.decoders_path("mnist", "mvae-2d")
    weights = get("/" + first).content
    # A page that inferred before and asks only now gets no decoders of another version.
    put(tmp_path, "fashion")
    assert get("/" + first).status == 404
    assert b"Reload the page" in get("/" + first).content
    second = assets.decoders_path("mnist", "mvae-2d")
    assert second != first
    model, _ = loading.load("mnist", "mvae-2d")
    other = get("/" + second)
    assert other.status == 200
    assert other.content != weights
    for name, weight in safetensors.torch.load(other.content).items():
        assert torch.equal(weight.float(), model.state_dict()[name])
    # Equal content has its old address, and may come out of the browser's store.
    put(tmp_path, "mnist")
    assert assets.decoders_path("mnist", "mvae-2d") == first
    assert get("/" + first).content == weights


def test_pictures_change_their_address_with_the_examples(get, tmp_path, monkeypatch):
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    put(tmp_path, "mnist")
    first = assets.pictures_path("mnist", "mvae-2d")
    pictures = get("/" + first).content
    shutil.copy2(CHECKPOINTS / "fashion" / "samples.safetensors", tmp_path / "mnist")
    second = assets.pictures_path("mnist", "mvae-2d")
    assert get("/" + second).content != pictures
    assert get("/" + first).status == 404


def test_a_data_set_without_pictures_gets_a_sentence(get, monkeypatch):
    monkeypatch.setattr(assets, "picture_shape", lambda modalities: None)
    answer = get("/assets/mnist/mvae/pictures")
    assert answer.status == 404
    assert answer.content == b"mnist has no pictures."
