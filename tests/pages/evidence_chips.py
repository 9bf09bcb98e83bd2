"""What the evidence column says, and clicks on its chips."""

from __future__ import annotations

import torch

from mvae import search_path

__all__ = ["click", "expert", "heard", "root", "states_of"]


def click(page, n=1, **states: str):
    """Click chips: send the states that the browser shows, by name, "_" for a space."""
    told = {name.replace("_", " "): state for name, state in states.items()}
    return page.message("mvae_chips", {"told": {"states": told, "n": n}})


def states_of(page) -> dict[str, str]:
    return {chip["name"]: chip["state"] for chip in page.component("mvae_chips")["chips"]}


def heard(page) -> list[str]:
    return page.stage["evidence"]


def expert(page, name: str) -> torch.Tensor:
    return page.unpack(page.stage["experts"][name]["mean"])


def root():
    return search_path.CHECKPOINTS
