"""What the server tells a browser about itself: where it is, and what a page of it may do.

Two settings are the operator's, read from the environment when the server starts:

``MVAE_EMBEDDED_BY``
    Addresses of pages that may show the app in a frame, as ``https://moodle.example.org``, with
    blanks between them. By default nobody may.
``MVAE_HOST``
    Names under which the server is reached, as ``explorer.example.org``, with blanks between them:
    requests for another are refused. By default any name will do.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["middleware"]

INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
#: One level above any page, whose address is the server's root and a name.
ROOT = b"<script>window.__streamlit={BACKEND_BASE_URL:new URL('.',location.href).href}</script>"
#: An address in a policy: what could end it, or the whole policy, is not one.
SOURCE = re.compile(r"[^\s;,'\"]+")
#: From the machine itself a server may always be asked how it is.
HERE = ("localhost", "127.0.0.1", "[::1]")


def policy(embedded_by: Iterable[str], scripts: Iterable[bytes] = ()) -> str:
    """Return a Content-Security-Policy that lets the app, and nothing else, run.

    Components are modules in blobs, the front end has a module of WebAssembly, styles are written
    by scripts, and pictures are data.

    Args:
        embedded_by: addresses of pages that may show it in a frame.
        scripts: those that stand in the document itself, which are known by their hashes.

    Reference: https://www.w3.org/TR/CSP3/
    """
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts)
    hashes = [f"'sha256-{digest}'" for digest in digests]
    allowed = {
        "default-src": ["'self'"],
        "script-src": [
            "'self'",
            "blob:",
            "'wasm-unsafe-eval'",
            *hashes,
        ],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": list(embedded_by) or ["'none'"],
    }
    return "; ".join(" ".join((name, *sources)) for name, sources in allowed.items())


def middleware() -> list[Middleware]:
    """Return what stands between the network and the app, by the operator's settings.

    Raises:
        ValueError: if a setting is not a list of addresses.
    """
    embedded_by, hosts = _setting("MVAE_EMBEDDED_BY"), _setting("MVAE_HOST")
    return [
        Middleware(_Headers, embedded_by=embedded_by),
        *([Middleware(TrustedHostMiddleware, allowed_hosts=[*hosts, *HERE])] if hosts else []),
        Middleware(BaseHTTPMiddleware, dispatch=_Document(embedded_by)),
    ]


def _setting(name: str) -> list[str]:
    found = os.environ.get(name, "").split()
    for each in found:
        if not SOURCE.fullmatch(each):
            raise ValueError(
                f"{name} holds {each!r}, which is no address: write addresses with blanks between "
                "them, as https://moodle.example.org."
            )
    return found


class _Headers:
    """Add headers to whatever is answered."""

    def __init__(self, app: ASGIApp, embedded_by: list[str]) -> None:
        self.app = app
        self.headers = {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Content-Security-Policy": policy(embedded_by),
        }
        if not embedded_by:
            self.headers["X-Frame-Options"] = "DENY"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class _Document:
    """Tell the browser where the server's root is, one level above any page.

    Without it a link to a page makes the front end try the page's own address first, which fails
    with two errors in the browser's console before it tries the right one.
    """

    def __init__(self, embedded_by: list[str]) -> None:
        self.embedded_by = embedded_by

    async def __call__(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            # What is to be changed must not come compressed.
            headers = [h for h in request.scope["headers"] if h[0] != b"accept-encoding"]
            request.scope["headers"] = headers
        response = await call_next(request)
        if not response.headers.get("content-type", "").startswith("text/html"):
            return response
        body = b"".join([part async for part in response.body_iterator])  # type: ignore[attr-defined]
        body = body.replace(b"<head>", b"<head>" + ROOT, 1)
        described = dict(response.headers)
        for name in ("content-length", "etag", "last-modified"):  # of the body as it was
            described.pop(name, None)
        described["Content-Security-Policy"] = policy(self.embedded_by, INLINE.findall(body))
        return Response(body, response.status_code, described)
