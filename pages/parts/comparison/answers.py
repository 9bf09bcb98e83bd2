"""The answers of several models, each as soon as it is ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from weakref import WeakKeyDictionary

import streamlit as st

from mvae.analysis.comparison import Prediction, predict
from mvae.batch import Batch
from mvae.evaluation.classifier import Classifier
from mvae.models.base import MultimodalModel

__all__ = ["answers"]

#: Models that think at once; each takes one thread.
WORKERS = 2
#: Seconds of waiting after which the page looks whether its visitor did something else.
PATIENCE = 0.1


def answers(
    models: Mapping[str, MultimodalModel],
    first: str,
    sample: Batch,
    evidence: tuple[str, ...],
    classifier: Classifier | None,
    seed: int,
) -> Iterator[tuple[str, Prediction] | None]:
    """Yield each model's name and answer when it has one, and None while nobody is ready.

    Answers to the same evidence are kept in the session, so that moving models about, pinning one
    or adding another computes nothing twice.

    Args:
        models: by name; nothing else is computed.
        first: the one that others wait for.
        sample: a batch of one.
        evidence: names of the supplied modalities.
        classifier: names the generated pictures.
        seed: of the draws, the same for all.
    """
    conditioning_set = (
        *(seed, evidence, sample.present.tolist()),
        *((name, tuple(x.shape), x.numpy().tobytes()) for name, x in sample.values.items()),
    )
    if st.session_state.get("answers", (None,))[0] != conditioning_set:
        # Weakly, or a session would hold models that nobody looks at any more.
        st.session_state["answers"] = (conditioning_set, WeakKeyDictionary())
    # Under the model itself and not its name, which another data set may have as well.
    kept: WeakKeyDictionary[MultimodalModel, Prediction] = st.session_state["answers"][1]
    order = sorted(models, key=lambda name: name != first)
    yield from ((name, kept[models[name]]) for name in order if models[name] in kept)
    pool = ThreadPoolExecutor(WORKERS)
    try:
        waiting = {
            pool.submit(predict, models[name], sample, evidence, classifier, seed=seed): name
            for name in order
            if models[name] not in kept
        }
        while waiting:
            ready, _ = wait(waiting, PATIENCE, FIRST_COMPLETED)
            for future in ready:
                name = waiting.pop(future)
                kept[models[name]] = future.result()
                yield name, kept[models[name]]
            if not ready:
                yield None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
