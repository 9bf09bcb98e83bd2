"""Time of the Compare page after a switch: ``python tests/benchmarks/compare.py``.

Six feed-forward models side by side, the bundled ones and, where there are fewer, untrained ones of
the same size; a modality is dropped or supplied and the whole page runs again, as a browser would
have it. Every turn shows another example, so that nothing was computed before. Beside it, in the
same run, what the models alone take to generate.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from streamlit.testing.v1 import AppTest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mvae import search_path
from mvae.analysis.comparison import predict
from mvae.analysis.inference import DRAWS
from mvae.batch import Batch
from mvae.checkpoint import available, load_model, load_samples, save_model
from mvae.evaluation.classifier import load_classifier
from mvae.models.base import MultimodalModel
from mvae.training.recipes import RECIPES, config_for

FRAME = Path(__file__).resolve().parents[2] / "pages" / "frame.py"
WARM_UP, REPEATS, MODELS = 10, 100, 6
DATASET = "mnist"


def milliseconds(cache: Callable[[], object]) -> float:
    """Measure one call."""
    begun = time.perf_counter()
    cache()
    return 1000 * (time.perf_counter() - begun)


def report(name: str, times: list[float]) -> None:
    """Print median and 95th percentile of what was measured after the warm-up."""
    times = times[WARM_UP:]
    print(f"{name}_median_ms: {statistics.median(times):.0f}")
    print(f"{name}_p95_ms: {statistics.quantiles(times, n=20)[-1]:.0f}")


def six_models(root: Path) -> list[str]:
    """Link the bundled checkpoints into a folder, fill up to six, and give their names."""
    (root / DATASET).mkdir()
    for path in (search_path.CHECKPOINTS / DATASET).iterdir():
        (root / DATASET / path.name).symlink_to(path)
    names = available(root)[DATASET]
    for name in [name for name in RECIPES if name not in names]:
        config = config_for(DATASET, name)
        save_model(root / DATASET / name, config, config.build().state_dict())
    everyone = [(name, load_model(DATASET, name, root)[0]) for name in available(root)[DATASET]]
    # Those that can do all of it have most to do.
    busy = [
        name
        for name, model in everyone
        if not (model.uses_gibbs_chains or model.no_posterior or model.cannot(["label"], "image"))
    ]
    return busy[:MODELS]


@torch.no_grad()
def generate(models: list[MultimodalModel], sample: Batch) -> None:
    """Let the models alone generate."""
    for model in models:
        model.generate(sample, DRAWS)


def switch(app: AppTest, turn: int) -> None:
    """Supply the label, or drop it, and run the page."""
    app.toggle(key="supply label").set_value(turn % 2 == 1)
    app.run()


def main() -> None:
    """Measure with one thread a model, as the app runs."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        names = six_models(Path(folder))
        search_path.CHECKPOINTS = Path(folder)
        models = [load_model(DATASET, name, Path(folder))[0] for name in names]
        samples = load_samples(DATASET, models[0].modalities)
        classifier = load_classifier(DATASET, models[0].modalities)

        app = AppTest.from_file(str(FRAME), default_timeout=120)
        app.query_params["models"] = ",".join(names)
        app.run()
        app.switch_page("compare.py").run()
        assert not app.exception
        gc.collect()
        gc.freeze()  # as app.py does
        page, alone, bare = [], [], []
        for turn in range(WARM_UP + REPEATS):
            if turn % 2 == 0:
                app.number_input(key="sample").set_value(turn)
                app.run()
            page.append(milliseconds(partial(switch, app, turn)))
            sample = samples[slice(turn, turn + 1)]
            evidence = sample.names if turn % 2 else ("image",)
            alone.append(
                milliseconds(
                    lambda s=sample, e=evidence: [predict(m, s, e, classifier) for m in models]
                )
            )
            bare.append(milliseconds(partial(generate, models, sample.supply(evidence))))
        assert not app.exception
        print(f"models: {', '.join(names)}")
        report("page_after_a_switch", page)
        report("six_answers", alone)
        report("six_models_generate", bare)
        print(f"page_ratio_to_generate: {statistics.median(page) / statistics.median(bare):.1f}")


if __name__ == "__main__":
    main()
