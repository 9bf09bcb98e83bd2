"""What a browser fetches once and keeps: decoders' weights and the pictures of the examples."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import safetensors.torch
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mvae import checkpoint
from mvae.checkpoint import CheckpointError, load_samples, load_tensors, sha256
from mvae.pictures import assemble, picture_shape
from pages.parts.loading import load

__all__ = ["decoders_path", "pictures_path", "routes"]


@lru_cache(maxsize=64)
def _hash(path: Path, changed: int) -> str:
    """Hash a file once, and again when it has changed: 3 MB take longer than a belief."""
    return sha256(path)[:16]


def _version(path: Path) -> str:
    return _hash(path, path.stat().st_mtime_ns)


def decoders_path(dataset: str, model: str) -> str:
    """Say where, below the server's root, a model's decoders are; its hash renews it."""
    version = _version(checkpoint.CHECKPOINTS / dataset / model / "weights.safetensors")
    return f"assets/{dataset}/{model}/decoders?v={version}"


def pictures_path(dataset: str, model: str) -> str:
    """Say where the pictures of the bundled examples are, N·C·H·W bytes."""
    version = _version(checkpoint.CHECKPOINTS / dataset / "samples.safetensors")
    return f"assets/{dataset}/{model}/pictures?v={version}"


def decoders(dataset: str, model: str) -> bytes:
    """Take the decoders' float16 tensors out of a checkpoint, as safetensors."""
    weights = load_tensors(checkpoint.CHECKPOINTS / dataset / model / "weights.safetensors")
    return safetensors.torch.save(
        {name: w for name, w in weights.items() if name.startswith("decoders.")}
    )


def pictures(dataset: str, model: str) -> bytes:
    """Put the examples' pictures together as bytes."""
    modalities = load(dataset, model)[1].modalities
    if picture_shape(modalities) is None:
        raise CheckpointError(f"{dataset} has no pictures.")
    samples = load_samples(dataset, modalities, checkpoint.CHECKPOINTS)
    whole = assemble(modalities, samples.values)
    return (whole.clamp(0, 1) * 255).round().byte().numpy().tobytes()


def _serve(request: Request) -> Response:
    """Answer with one of the two; the address changes with the content, so it may be kept."""
    dataset, model = request.path_params["dataset"], request.path_params["model"]
    content = {"decoders": decoders, "pictures": pictures}.get(request.path_params["what"])
    if content is None or model not in checkpoint.available(checkpoint.CHECKPOINTS).get(
        dataset, ()
    ):
        return PlainTextResponse("There is no such asset.", 404)
    try:
        body = content(dataset, model)
    except CheckpointError as error:
        return PlainTextResponse(str(error), 404)
    return Response(
        body,
        media_type="application/octet-stream",
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )


#: For the server; checkpoints are public, a visitor's own data never pass here.
routes = [Route("/assets/{dataset}/{model}/{what}", _serve)]
