"""The server: ``streamlit run app.py``. Pages are in pages/, the library is in mvae/."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
import torch
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

import mvae.inference  # noqa: F401  imported now, so that no visitor waits for it
from mvae.allocator import return_freed_memory
from pages.parts.assets import routes

logger = logging.getLogger("mvae")
return_freed_memory()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Prepare the process once."""
    # Streamlit collects garbage after every run of a page. With torch imported that costs 0.1 s,
    # unless everything imported so far is taken out of the collector's sight.
    gc.collect()
    gc.freeze()
    # Many small inferences at once: one thread each beats two threads that wait for each other.
    torch.set_num_threads(1)
    yield {}


def on_script_error(error: Exception) -> bool:
    """Log a fault and show a visitor a sentence instead of the framework's error."""
    logger.error("a page failed", exc_info=error)
    st.error(
        "Something went wrong on this page, and it has been logged. "
        "Reload the page; if it happens again, start from the first page without a link."
    )
    return True


async def say_where_the_server_is(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Tell the browser where the server's root is, one level above any page.

    Without it a link to a page makes the front end try the page's own address first, which fails
    with two errors in the browser's console before it tries the right one.
    """
    if "text/html" in request.headers.get("accept", ""):
        # What is to be changed must not come compressed.
        headers = [h for h in request.scope["headers"] if h[0] != b"accept-encoding"]
        request.scope["headers"] = headers
    response = await call_next(request)
    if not response.headers.get("content-type", "").startswith("text/html"):
        return response
    body = b"".join([part async for part in response.body_iterator])  # type: ignore[attr-defined]
    script = (
        b"<script>window.__streamlit={BACKEND_BASE_URL:new URL('.',location.href).href}</script>"
    )
    described = dict(response.headers)
    for name in ("content-length", "etag", "last-modified"):  # of the body as it was
        described.pop(name, None)
    return Response(body.replace(b"<head>", b"<head>" + script, 1), response.status_code, described)


app = st.App(
    "pages/frame.py",
    lifespan=lifespan,
    routes=routes,
    on_script_error=on_script_error,
    middleware=[Middleware(BaseHTTPMiddleware, dispatch=say_where_the_server_is)],
)
