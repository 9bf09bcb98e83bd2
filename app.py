"""The server: ``streamlit run app.py``. Pages are in pages/, the library is in mvae/."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
import torch

import mvae.analysis.inference  # noqa: F401  imported now, so that no visitor waits for it
from pages.parts.allocator import return_freed_memory
from pages.parts.assets import routes
from pages.parts.headers import middleware

logger = logging.getLogger("mvae")
return_freed_memory()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Prepare the process once."""
    # Streamlit collects garbage after every run of a page. With torch imported that costs 0.1 s,
    # unless everything imported so far is taken out of the collector's sight.
    gc.collect()
    gc.freeze()
    # Many small posteriors at once: one thread each beats two threads that wait for each other.
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


app = st.App(
    "pages/frame.py",
    lifespan=lifespan,
    routes=routes,
    on_script_error=on_script_error,
    middleware=middleware(),
)
