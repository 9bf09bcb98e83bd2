"""The content security policy, and a script that tells a browser the server's root.

Two environment variables are read when the server starts:

``MVAE_EMBEDDED_BY``
    Addresses of pages that may show the app in a frame, such as ``https://moodle.example.org``,
    separated by blanks. By default no page may.
``MVAE_HOST``
    Host names under which the server is reached, such as ``explorer.example.org``, separated by
    blanks; requests for any other are refused. By default every host name is accepted.
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
#: A script that sets the server's root: one level above a page, whose address is root plus name.
ROOT = b"<script>window.__streamlit={BACKEND_BASE_URL:new URL('.',location.href).href}</script>"
#: An address in a policy must not contain a character that would end a directive.
SOURCE = re.compile(r"[^\s;,'\"]+")
#: Host names that are always accepted, so that health checks on the machine itself work.
HERE = ("localhost", "127.0.0.1", "[::1]")


def policy(embedded_by: Iterable[str], scripts: Iterable[bytes] = ()) -> str:
    """Return a Content-Security-Policy under which only the app's own scripts run.

    Streamlit's components are modules in blobs, its front end has a module of WebAssembly, scripts
    write styles, and pictures are data URLs.

    Args:
        embedded_by: addresses of pages that may show the app in a frame.
        scripts: the inline scripts of the document, which are allowed by their hashes.

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
    """Return the middleware for the settings in the environment.

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
                f"{name} contains {each!r}, which is not an address: write addresses separated by "
                "blanks, such as https://moodle.example.org."
            )
    return found


class _Headers:
    """Add security headers to every response."""

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
    """Insert a script into the document that sets the server's root, one level above any page.

    Without it, a link to a page makes the front end try the page's own address first, which fails
    with two errors in the browser's console before it tries the right one.
    """

    def __init__(self, embedded_by: list[str]) -> None:
        self.embedded_by = embedded_by

    async def __call__(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            # A compressed body could not be edited.
            headers = [h for h in request.scope["headers"] if h[0] != b"accept-encoding"]
            request.scope["headers"] = headers
        response = await call_next(request)
        if not response.headers.get("content-type", "").startswith("text/html"):
            return response
        body = b"".join([part async for part in response.body_iterator])  # type: ignore[attr-defined]
        body = body.replace(b"<head>", b"<head>" + ROOT, 1)
        described = dict(response.headers)
        for name in (
            "content-length",
            "etag",
            "last-modified",
        ):  # these described the original body
            described.pop(name, None)
        described["Content-Security-Policy"] = policy(self.embedded_by, INLINE.findall(body))
        return Response(body, response.status_code, described)
