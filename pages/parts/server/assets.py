"""Files that a browser fetches once and caches: decoder weights and the examples' pictures."""

from __future__ import annotations

import safetensors.torch
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mvae import checkpoint
from mvae.files import CheckpointError, sha256
from mvae.images.tiling import assemble, picture_shape
from pages.parts.server.loading import SAMPLES, files_of, load, samples_of, version_of
from pages.parts.server.versions import cached_by, one_version, stamps

__all__ = ["decoders_path", "pictures_path", "routes"]


def decoders_path(dataset: str, model: str) -> str:
    """Return the path of a model's decoders below the server's root; it changes with them."""
    return f"assets/{dataset}/{model}/decoders?v={version_of(dataset, model)}"


def pictures_path(dataset: str, model: str) -> str:
    """Return the path of the bundled examples' pictures, N·C·H·W bytes."""
    version = f"{version_of(dataset, model)}-{_hash_of_samples(dataset)}"
    return f"assets/{dataset}/{model}/pictures?v={version}"


@cached_by(lambda dataset: stamps(*files_of(dataset, SAMPLES)), max_entries=32)
def _hash_of_samples(dataset: str) -> str:
    """Return a hash of the examples, computed again only when they change."""
    return sha256(*files_of(dataset, SAMPLES))[:16]


def decoders(dataset: str, model: str) -> bytes:
    """Return the model's decoder weights as float16 safetensors."""
    weights = load(dataset, model)[0].state_dict()
    return safetensors.torch.save(
        {name: w.half() for name, w in weights.items() if name.startswith("decoders.")}
    )


def pictures(dataset: str, model: str) -> bytes:
    """Return the examples' pictures as bytes."""
    modalities = load(dataset, model)[1].modalities
    if picture_shape(modalities) is None:
        raise CheckpointError(f"{dataset} has no pictures.")
    whole = assemble(modalities, samples_of(dataset, model).values)
    return (whole.clamp(0, 1) * 255).round().byte().numpy().tobytes()


#: By name: the function that returns the content, and the one that returns its path.
CONTENTS = {"decoders": (decoders, decoders_path), "pictures": (pictures, pictures_path)}


def _serve(request: Request) -> Response:
    """Serve an asset; its address changes with its content, so browsers may cache it forever."""
    dataset, model = request.path_params["dataset"], request.path_params["model"]
    what = request.path_params["what"]
    there = checkpoint.available()
    if what not in CONTENTS or model not in there.get(dataset, ()):
        return PlainTextResponse("There is no such asset.", 404)
    content, path = CONTENTS[what]
    try:
        with one_version():
            body, now = content(dataset, model), path(dataset, model)
    except CheckpointError as error:
        return PlainTextResponse(str(error), 404)
    if not now.endswith(f"?v={request.query_params.get('v')}"):
        # Otherwise decoders of one version would decode the posterior of another.
        return PlainTextResponse("The checkpoint has been replaced. Reload the page.", 404)
    return Response(
        body,
        media_type="application/octet-stream",
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )


#: The server's routes. Checkpoints are public; a visitor's own data are never served here.
routes = [Route("/assets/{dataset}/{model}/{what}", _serve)]
