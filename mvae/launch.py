"""The explorer as a program of its own, beside the library that never imports it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

__all__ = ["app_file", "missing_library", "start"]

#: Where an installed package carries app.py; a checkout has it beside the package.
PACKAGED = Path(__file__).resolve().parent / "explorer" / "app.py"


def app_file() -> Path:
    """Return the path of the explorer's app.py.

    Example:
        >>> app_file().name
        'app.py'
    """
    return PACKAGED if PACKAGED.exists() else PACKAGED.parents[2] / "app.py"


def missing_library() -> str | None:
    """Return the first library that the explorer needs and that is not installed, if one is."""
    return next((name for name in ("streamlit", "pandas", "plotly") if not find_spec(name)), None)


def start(options: Iterable[str]) -> None:
    """Become the server of the explorer, which this machine alone can reach unless told otherwise.

    Args:
        options: of `streamlit run
            <https://docs.streamlit.io/develop/api-reference/cli/run>`_; of one that is given
            twice the last counts.
    """
    # Without -P the working directory would come before the installed package.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(app_file())]
    os.execv(sys.executable, [*command, "--server.address", "localhost", *options])  # noqa: S606
