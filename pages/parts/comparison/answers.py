"""Answers of several models, computed in parallel and yielded as they are ready."""

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

#: Models that compute at the same time, one thread each.
WORKERS = 2
#: Seconds of waiting after which control returns, so that a new event can stop the page.
PATIENCE = 0.1


def answers(
    models: Mapping[str, MultimodalModel],
    first: str,
    sample: Batch,
    evidence: tuple[str, ...],
    classifier: Classifier | None,
    seed: int,
) -> Iterator[tuple[str, Prediction] | None]:
    """Yield each model's name and answer as soon as it is ready, and None while waiting.

    Answers to the same evidence are kept in the session, so that reordering models, pinning one or
    adding another computes nothing twice.

    Args:
        models: the models to compute, by name.
        first: the one to compute first, since the others are compared with it.
        sample: a batch of one.
        evidence: names of the supplied modalities.
        classifier: the classifier of pictures, which judges coherence.
        seed: seed of the draws, the same for all models.
    """
    conditioning_set = (
        *(seed, evidence, sample.present.tolist()),
        *((name, tuple(x.shape), x.numpy().tobytes()) for name, x in sample.values.items()),
    )
    if st.session_state.get("answers", (None,))[0] != conditioning_set:
        # Weak references, so that a session does not keep unused models in memory.
        st.session_state["answers"] = (conditioning_set, WeakKeyDictionary())
    # The key is the model itself, since another data set may have a model of the same name.
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
