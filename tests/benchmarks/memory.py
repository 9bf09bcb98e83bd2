"""Memory of the server as all models are visited: ``python tests/benchmarks/memory.py [PAGE…]``.

Starts the app and opens every bundled model, each as a new visitor in headless Chromium, on the
pages that are about one model (Experts, Traverse, Map and Missing unless told otherwise) and every
data set on Compare and Results; prints the server's resident memory after each data set, and its
peak. An upload follows, a photograph of 12 megapixels, and how much further the peak grew. Linux.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mvae.checkpoint import available  # noqa: E402
from tests.browser.conftest import QUIET  # noqa: E402

PAGES = ("", "traverse", "map", "missing")
IDLE = "[data-test-script-state=notRunning]"


def memory(server: subprocess.Popen[bytes], what: str = "VmRSS") -> float:
    """Return the memory of a process, resident now or at its peak, in MB."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024 / 1e6


def serve(port: int) -> subprocess.Popen[bytes]:
    """Start the app and wait until it answers."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    address = ["--server.port", str(port), "--server.address", "127.0.0.1"]
    server = subprocess.Popen([*command, *address], cwd=ROOT, stdout=subprocess.DEVNULL)
    while server.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
            break
        time.sleep(0.1)
    return server


def visit(browser: Browser, address: str) -> None:
    """Open an address as a new visitor, until its script has run to its end, and leave."""
    context = browser.new_context()
    settle(context.new_page(), address)
    context.close()


def settle(page: Page, address: str) -> Page:
    """Open an address and wait for its script."""
    page.goto(address)
    page.get_by_role("heading", level=3).first.wait_for(timeout=120_000)
    page.locator(IDLE).wait_for(state="attached", timeout=120_000)
    return page


def upload(browser: Browser, address: str) -> None:
    """Upload a photograph to the Experts page."""
    context = browser.new_context()
    page = settle(context.new_page(), address)
    page.get_by_role("radio", name="Upload").click()
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        photograph = Image.effect_noise((4000, 3000), 10).convert("RGB")
        photograph.paste("black", (1800, 600, 2100, 2400))
        photograph.save(file.name, "JPEG", quality=80)
        with page.expect_file_chooser() as chooser:
            page.get_by_test_id("stFileUploader").get_by_role("button").last.click()
        chooser.value.set_files(file.name)
        # what is there without a picture says nothing of it
        page.get_by_alt_text("the image that is supplied or dropped").wait_for(timeout=60_000)
    context.close()


def main(pages: list[str]) -> None:
    """Visit everything and print a line for each data set."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, server = f"http://127.0.0.1:{port}", serve(port)
    try:
        measure(address, server, pages)
    finally:
        server.terminate()
        server.wait(20)


def measure(address: str, server: subprocess.Popen[bytes], pages: list[str]) -> None:
    """Visit everything of a server."""
    count = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        visit(browser, address)
        print(f"after the first page: {memory(server):.0f} MB", flush=True)
        for data, models in available().items():
            for model in models:
                for page in pages:
                    visit(browser, f"{address}/{page}?data={data}&model={model}")
                count += 1
            for page in ("compare", "results"):
                visit(browser, f"{address}/{page}?data={data}")
            print(f"{data}, {len(models)} models: {memory(server):.0f} MB", flush=True)
        before = memory(server, "VmHWM")
        print(f"peak, {count} models visited: {before:.0f} MB", flush=True)
        print(f"now: {memory(server):.0f} MB")
        now = memory(server)
        upload(browser, address)
        print(f"peak with an upload: {memory(server, 'VmHWM'):.0f} MB, from {now:.0f} MB")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:] or list(PAGES))
