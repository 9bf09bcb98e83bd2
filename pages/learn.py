"""Learn: the product of experts in eight steps, each with a task and a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mvae.analysis.inference import Inference, infer
from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.images.tiling import assemble, picture_shape
from pages.parts.code import draggable_experts_code, experts_code, show_code
from pages.parts.colours import OTHERS
from pages.parts.exact_posterior import exact_of
from pages.parts.lesson import STEPS, DraggableExperts, Scene, Step
from pages.parts.lesson_scenes import (
    checkpoints_for,
    example,
    label_of,
    read_experts,
    supplied,
    write_experts,
)
from pages.parts.pictures import as_image
from pages.parts.plain import plain
from pages.parts.sentences import agreement, listing
from pages.parts.server.assets import decoders_path
from pages.parts.server.loading import load, load_experts, metrics_of, records_of, samples_of
from pages.parts.stage import describe, describe_experts, show_stage
from pages.parts.stage.planes import plane_of
from pages.parts.trainings import best_elbo, comparable, differences, table
from pages.parts.view import View, change, read_coordinates
from pages.parts.widget_sync import follow


def page() -> None:
    """Show a step: its text on the left, the stage on the right."""
    view: View = st.session_state["view"]
    step = STEPS[view.step - 1]
    st.markdown(f"### {step.title}")
    _steps(view)
    left, right = st.columns([1, 2], gap="large")
    with left:
        st.markdown(step.text)
        st.markdown(f"**Do:** {step.task}")
    with right:
        if isinstance(step.scene, DraggableExperts):
            _draggable_experts(view, step.scene)
        else:
            _inference(view, step.scene, left)
    with left:
        _question(view, step)


def _steps(view: View) -> None:
    """Show which step is open, and buttons to go back and on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.segmented_control(
            "Step",
            range(1, len(STEPS) + 1),
            key="step",
            required=True,
            label_visibility="collapsed",
            on_change=follow("step", view.step, _go_to),
        )
        st.button("Back", disabled=view.step == 1, on_click=_go_to, args=(view.step - 1,))
        st.button(
            "Next",
            disabled=view.step == len(STEPS),
            on_click=_go_to,
            args=(view.step + 1,),
        )


def _go_to(step: int) -> None:
    change(step=step, lesson=None, training=0)


def _question(view: View, step: Step) -> None:
    """Ask the step's question and reply to the chosen answer."""
    chosen = st.radio(
        f"**{step.question}**",
        step.options,
        format_func=lambda option: option.text,
        index=None,
        key=f"answer {view.step}",
    )
    if chosen is None:
        return
    if chosen.right:
        st.success(chosen.reply)
    else:
        st.warning(f"Not quite. {chosen.reply}")


def _draggable_experts(view: View, scene: DraggableExperts) -> None:
    """Show draggable Gaussians where the link or the visitor left them."""
    now = read_experts(view.lesson, scene)
    if view.lesson is not None and now is None:
        st.warning(
            "The link describes experts that do not fit this step, which starts as usual instead."
        )

    def apply_event(event: Mapping[str, Any]) -> None:
        text = write_experts(event.get("experts"))
        if read_experts(text, scene) is not None:
            change(lesson=text)

    show_stage(f"lesson {view.step}", describe_experts(now or scene, OTHERS), apply_event)
    show_code(draggable_experts_code(now or scene))


def _inference(view: View, scene: Scene, aside: DeltaGenerator) -> None:
    """Show a model's posterior on the stage and its evidence beside the text."""
    found = checkpoints_for(scene)
    if not found:
        st.info(
            "This step needs a checkpoint that is not installed; the README explains how to train "
            "one."
        )
        return
    data, name = found[min(view.training, len(found) - 1)]
    model, config = load_experts(data, name)
    sample = example(scene, config, samples_of(data, name))
    evidence = supplied(scene, view.lesson, config)
    inference = infer(model, sample, evidence, seed=view.seed)

    def apply_event(event: Mapping[str, Any]) -> None:
        at, supply = read_coordinates(event.get("at")), event.get("supply")
        if isinstance(supply, list):
            names = dict.fromkeys(n for n in map(str, supply) if n in sample.names)
            change(lesson=",".join(names), at=at)
        else:
            change(at=at)

    with aside:
        _show_evidence(inference, data, name, config, sample)
    if len(found) > 1:
        _trainings(view, found)
    show_stage(
        f"lesson {view.step}",
        describe(
            inference,
            model,
            decoders_path(data, name),
            seed=view.seed,
            panels=scene.panels,
            plane=plane_of(data, name, ()) if "plane" in scene.panels else None,
            at=view.at,
            exact=exact_of(data, name, sample, inference) if scene.flat else None,
        ),
        apply_event,
    )
    if len(found) > 1:
        _show_measured(found)
    entries = {} if scene.label is None else {label_of(config): scene.label}
    shown = View(data, name, sample=scene.sample, entries=entries, seed=view.seed)
    show_code(experts_code(shown, config.modalities, evidence, scene.flat))


def _show_evidence(
    inference: Inference, data: str, name: str, config: ModelConfig, sample: Batch
) -> None:
    """Show the example and whether its modalities agree."""
    if picture_shape(config.modalities) is not None:
        picture = assemble(config.modalities, sample.values)[0]
        st.image(as_image(picture, 112), output_format="PNG", alt="the picture used in this step")
    labels = [
        f"{m.name} {plain(m.category(int(sample.values[m.name][0])))}"
        for m in config.modalities
        if m.is_category
    ]
    metrics = metrics_of(data, name)
    words = agreement(inference, metrics.test if metrics else {})
    st.caption(f"The example: this picture, {listing(labels)}. {words}")


def _trainings(view: View, found: list[tuple[str, str]]) -> None:
    """Show the chooser of the training objective."""
    st.segmented_control(
        "Training",
        range(len(found)),
        format_func=lambda index: load(*found[index])[1].objective.name,
        key="training",
        required=True,
        on_change=follow("training", view.training, lambda index: change(training=index)),
    )


def _show_measured(found: list[tuple[str, str]]) -> None:
    """Show the figures of each training, and of every run with an equal budget."""
    data, shown = found[0][0], [name for _, name in found]
    runs = comparable(records_of(data), shown)
    for sentence in differences(runs, shown):
        st.markdown(sentence)
    st.dataframe(table(runs, shown), hide_index=True)
    label = next(m for m in runs[0].config.modalities if m.is_category)
    protocols = {plain(run.metrics.protocol["coherence"]) for run in runs if run.metrics}
    st.caption(
        f"● shown on the stage. Compare rows with equal epochs and λ. {best_elbo(label)} "
        "Means ± standard error on the test split. "
        f"Coherence and diversity: {'; '.join(sorted(protocols))}."
    )


page()
