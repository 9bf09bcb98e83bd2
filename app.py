"""The web server, started by ``streamlit run app.py``; its pages are in pages/."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
import torch

import mvae.analysis.inference  # noqa: F401  imported at startup, so that no visitor waits
from pages.parts.server.allocator import return_freed_memory
from pages.parts.server.assets import routes
from pages.parts.server.security_headers import middleware

logger = logging.getLogger("mvae")
return_freed_memory()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Prepare the process once, before the first visitor."""
    # Streamlit collects garbage after every run of a page. With torch imported that takes 0.1 s,
    # unless the collector is told to ignore everything imported so far.
    gc.collect()
    gc.freeze()
    # Visitors' posteriors are small: one thread for each is faster than two that share the work.
    torch.set_num_threads(1)
    yield {}


def on_script_error(error: Exception) -> bool:
    """Log an unhandled error and show a sentence instead of Streamlit's traceback."""
    logger.error("a page failed", exc_info=error)
    st.error(
        "Something went wrong on this page. The error has been logged. "
        "Reload the page; if it happens again, open the app's first page without a link."
    )
    return True


app = st.App(
    "pages/frame.py",
    lifespan=lifespan,
    routes=routes,
    on_script_error=on_script_error,
    middleware=middleware(),
)
