"""From a pointer event on the stage to pixels: ``python tests/benchmarks/stage.py [WHAT]``.

WHAT is a bundled model, ``mnist/mvae-cover`` unless told otherwise, whose decoder is 64 → 512 →
512 → 784; or a toy of tests/toys.py, ``faces``, ``scenes``, ``traits`` or ``sentences``, with
random weights but as large as what is trained: convolutions to 3 · 32 · 32, one picture or five,
18 labels, two texts of up to 24 of 2,000 tokens, which random weights never end. ``--root FOLDER``
takes a model of another folder of checkpoints.

In headless Chromium an event moves the latent; its handler decodes every modality and paints; then
the painted canvas is read back. Waiting for the screen's next frame is not counted. Beside it, in
the same run, the same decoding by torch, one latent at a time on one thread.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mvae.checkpoint import load_model  # noqa: E402
from mvae.search_path import CHECKPOINTS  # noqa: E402
from tests import toys  # noqa: E402
from tests.browser.conftest import QUIET  # noqa: E402

#: Latents of a toy, as many as those of most models.
LATENTS = 64
WARM_UP, REPEATS = 60, 400

MEASURE = """
([warmUp, repeats]) => {
  const inside = (name) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .map((host) => host.shadowRoot?.querySelector(name)).find(Boolean);
  const [plane, canvas] = [inside('.plane'), inside('.made canvas')];
  const box = plane.getBoundingClientRect();
  const fire = (type, x, y) => plane.dispatchEvent(new PointerEvent(type, {
    bubbles: true, composed: true, isPrimary: true, pointerId: 1, button: 0, clientX: x, clientY: y,
  }));
  const times = [];
  fire('pointerdown', box.x + 10, box.y + 10);
  for (let i = 0; i < warmUp + repeats; i++) {
    const turn = i / 25;
    const x = box.x + box.width * (0.5 + 0.3 * Math.cos(turn));
    const y = box.y + box.height * (0.5 + 0.3 * Math.sin(turn));
    const begun = performance.now();
    fire('pointermove', x, y);
    canvas?.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    if (i >= warmUp) times.push(performance.now() - begun);
  }
  fire('pointerup', box.x + 10, box.y + 10);
  return times;
}
"""


def serve(port: int, root: Path) -> subprocess.Popen[bytes]:
    """Start the app over a folder of checkpoints and wait until it answers."""
    app = "tests/browser/toys_app.py"
    command = [sys.executable, "-m", "streamlit", "run", app, "--server.headless", "true"]
    address = ["--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = os.environ | {"TOYS": str(root), "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        [*command, *address], cwd=ROOT, stdout=subprocess.DEVNULL, env=environment
    )
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.2)
    raise SystemExit("the server did not start")


def in_browser(page: Page, port: int, data: str, model: str) -> list[float]:
    """Measure the events, in milliseconds each."""
    page.goto(f"http://127.0.0.1:{port}/?data={data}&model={model}&sample=3")
    page.locator(".made[data-draws='64']").wait_for(timeout=120_000)
    times: list[float] = page.evaluate(MEASURE, [WARM_UP, REPEATS])
    return times


@torch.no_grad()
def by_torch(data: str, model: str, root: Path) -> list[float]:
    """Measure the same decoding in Python."""
    torch.set_num_threads(1)
    built, _ = load_model(data, model, root)
    latents = torch.randn(WARM_UP + REPEATS, built.latents)
    times = []
    for z in latents:
        begun = time.perf_counter()
        built.expected(z)
        times.append(1000 * (time.perf_counter() - begun))
    return times[WARM_UP:]


def report(name: str, times: list[float]) -> float:
    """Print median and 95th percentile."""
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"{name}_median_ms: {statistics.median(times):.2f}")
    print(f"{name}_p95_ms: {p95:.2f}")
    return statistics.median(times)


def measure(data: str, model: str, root: Path) -> None:
    """Measure both and print them with their ratio."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = serve(port, root)
    try:
        with sync_playwright() as playwright:
            path = shutil.which("chromium")
            chromium = playwright.chromium.launch(executable_path=path, args=QUIET)
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            browser = report("event_to_pixels", in_browser(page, port, data, model))
            chromium.close()
    finally:
        server.terminate()
        server.wait(20)
    ratio = browser / report("torch_decode", by_torch(data, model, root))
    print(f"ratio_to_torch_decode: {ratio:.2f}")


def main() -> None:
    """Read what is to be measured, and measure it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="mnist/mvae-cover")
    parser.add_argument("--root", type=Path, default=CHECKPOINTS)
    told = parser.parse_args()
    if told.what in toys.SIZED:
        with tempfile.TemporaryDirectory() as folder:
            root = toys.write_toys(Path(folder), {told.what: toys.SIZED[told.what]}, LATENTS)
            measure(told.what, "mvae", root)
    else:
        measure(*told.what.split("/"), told.root)


if __name__ == "__main__":
    main()
