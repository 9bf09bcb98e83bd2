"""The app over the checkpoints of the folder that ``TOYS`` names."""

import os
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from mvae import checkpoint

# Before anything else asks for it.
checkpoint.CHECKPOINTS = Path(os.environ["TOYS"])

from app import lifespan, on_script_error, say_where_the_server_is  # noqa: E402
from pages.parts.assets import routes  # noqa: E402

app = st.App(
    Path(__file__).parents[2] / "pages" / "frame.py",
    lifespan=lifespan,
    routes=routes,
    on_script_error=on_script_error,
    middleware=[Middleware(BaseHTTPMiddleware, dispatch=say_where_the_server_is)],
)
