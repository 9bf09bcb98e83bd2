"""Check an installed wheel: what it holds, and that its explorer shows a page in Chromium."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import files, version
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

import mvae

QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def check_files() -> None:
    """Check that only the package was installed, with what belongs to it."""
    home = Path(mvae.__file__).parent
    assert Path(sys.prefix) in home.parents, f"mvae was imported from {home}"
    assert mvae.__version__ == version("mvae-explorer")
    tops = {path.parts[0] for path in files("mvae-explorer") or ()}
    others = {top for top in tops if top != "mvae" and not top.endswith(".dist-info")}
    assert others == {".."}, f"the wheel also installs {others}"  # the script
    for name in ("py.typed", "data/vocabularies/english.txt", "explorer/pages/parts/pad/pad.js"):
        assert (home / name).is_file(), f"the wheel lacks {name}"
    there = {"mnist", "quadrants"}
    assert {*mvae.available()} == there, f"there are checkpoints of {[*mvae.available()]}"
    assert all({*mvae.available()[data]} == {"mvae", "mvae-2d", "mvae-cover"} for data in there)


def check_page() -> None:
    """Start the explorer as a user does, and look at its first page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    options = ["--server.address", "127.0.0.1", "--server.headless", "true"]
    server = subprocess.Popen(["mvae", "app", "--port", str(port), *options])
    try:
        end = time.monotonic() + 60
        while not answers(f"{address}/_stcore/health"):
            assert server.poll() is None, "the explorer ended by itself"
            assert time.monotonic() < end, "the explorer did not start within a minute"
            time.sleep(0.2)
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
            page = browser.new_page(color_scheme="dark")
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(f"{address}/?sample=3")
            expect.set_options(timeout=60_000)
            expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
            heading = page.get_by_role("heading", level=3).first
            expect(heading).to_contain_text("Given image")
            # Colours and the missing menu are settings of .streamlit/config.toml.
            expect(page.locator(".stApp")).to_have_css("background-color", "rgb(20, 22, 27)")
            print(f"{page.title()}: {heading.inner_text()}")
            assert not errors, errors
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


def answers(address: str) -> bool:
    """Whether a server answers."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    check_files()
    check_page()
