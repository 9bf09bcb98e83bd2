"""The app over the checkpoints of the folder that ``TOYS`` names."""

import os
from pathlib import Path

import streamlit as st

from mvae import search_path

# Before anything else asks for it.
search_path.CHECKPOINTS = Path(os.environ["TOYS"])

from app import lifespan, on_script_error  # noqa: E402
from pages.parts.server.assets import routes  # noqa: E402
from pages.parts.server.security_headers import middleware  # noqa: E402

app = st.App(
    Path(__file__).parents[2] / "pages" / "frame.py",
    lifespan=lifespan,
    routes=routes,
    on_script_error=on_script_error,
    middleware=middleware(),
)
