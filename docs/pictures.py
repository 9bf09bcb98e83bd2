"""Take the pictures of README anew: ``python docs/pictures.py``.

It needs what the browser tests need: tests/requirements.txt, and Chromium.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github"
#: The name of each picture: the link that it shows, and what is there once all is drawn.
VIEWS = {
    "experts": (
        "/?data=quadrants&model=mvae-cover&sample=18&supply=top left,bottom right",
        "[data-draws='64']",  # the last draw is decoded
    ),
    "compare": ("/compare?data=mnist&model=mvae-cover&sample=3&supply=label", "h3"),
    "learn": ("/learn?step=2", "path.curve.product"),
}
#: So few that the files are small.
COLOURS = 256
#: A busy machine takes its time, in milliseconds.
PATIENCE = 240_000


def wait_until_drawn(page: Page, drawn: str) -> None:
    """Wait until the script has run, and all that it asked for has come and is drawn."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE)
    expect(page.locator(drawn).first).to_be_attached(timeout=PATIENCE)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=PATIENCE)
    time.sleep(3)  # a transition


def main() -> None:
    """Serve the app, visit each link and keep what is seen."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT)  # noqa: S603  a command of this file
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--headless", "--no-sandbox", "--disable-gpu"],
            )
            size = {"width": 1280, "height": 900}
            page = browser.new_page(viewport=size, color_scheme="light")
            time.sleep(15)  # until the server listens
            for name, (link, drawn) in VIEWS.items():
                page.goto(f"http://127.0.0.1:{port}{link}", timeout=PATIENCE)
                wait_until_drawn(page, drawn)
                path = FOLDER / f"{name}.png"
                page.screenshot(path=path, timeout=PATIENCE, animations="disabled")
                Image.open(path).quantize(COLOURS).save(path, optimize=True)
                print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
