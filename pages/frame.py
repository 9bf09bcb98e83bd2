"""The frame around every page: navigation, and the choice of data set and model."""

from __future__ import annotations

from functools import partial

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from mvae import checkpoint
from mvae.data import DATASETS
from mvae.files import CheckpointError
from pages.parts.about import about, best_figures, introduction, show_limitations
from pages.parts.links import open_view
from pages.parts.plain import plain
from pages.parts.server.loading import load, records_of, titles_of
from pages.parts.server.versions import one_version
from pages.parts.view import View, change, show
from pages.parts.widget_sync import follow, number_run, show_number

STYLE = """<style>
.block-container { padding-top: 4.2rem; padding-bottom: 3rem; max-width: 84rem; }
h3 { font-size: clamp(1.15rem, 2.2vw, 1.6rem) !important; font-weight: 400 !important; }
h3 strong { font-weight: 700; }
h4 {
  font-size: .8rem !important; letter-spacing: .06em; text-transform: uppercase;
  padding: 0 0 .3rem !important;
}
/* Without it, tall and wide equations scroll by a pixel or two. */
[data-testid="stMain"] .katex-display { padding: .3rem !important; }
/* On a phone a row of pictures scrolls sideways rather than shrinking beyond recognition. */
@media (max-width: 640px) {
  [class*="st-key-pictures"] { overflow-x: auto; display: block; }
  [class*="st-key-pictures"] > div { width: 46rem; max-width: none; }
}
[data-testid="stImage"] img { image-rendering: pixelated; }
/* Choices in a multiselect: their white text is illegible on the dark theme's pale blue. */
[data-tag] { background: none !important; border: 1px solid currentColor; }
[data-tag], [data-tag] * { color: inherit !important; }
/* Choices take as many lines as they need, rather than one that scrolls. */
[data-testid="stMultiSelect"] div:has(> span > [data-tag]) { flex-wrap: wrap; row-gap: .25rem; }
[data-testid="stMultiSelect"] div:has(> div > span > [data-tag]) {
  height: auto; max-height: none;
}
/* A command in a caption: else three quarters of its size, in a faint green. */
[data-testid="stCaptionContainer"] code { font-size: .9em; color: inherit; }
</style>"""


def choose_data(there: dict[str, list[str]], data: str) -> None:
    """Change the data set, keeping the same models where they exist, and supply everything."""
    view: View = st.session_state["view"]
    model = view.model if view.model in there[data] else there[data][0]
    models = tuple(name for name in view.models or () if name in there[data]) or None
    show(View(data, model, models=models, pinned=view.pinned))


def chooser(view: View, one_model: bool) -> None:
    """Show the chooser of the data set and, on pages about a single model, of the model."""
    there = checkpoint.available()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.selectbox(
            "Data",
            list(there),
            format_func=lambda name: DATASETS[name].title if name in DATASETS else name,
            key="data",
            on_change=follow("data", view.data, partial(choose_data, there)),
            label_visibility="collapsed",
            width=230,
        )
        if not one_model:
            return
        titles = titles_of(view.data)
        st.selectbox(
            "Model",
            there[view.data],
            format_func=lambda name: titles.get(name, name),
            key="model",
            on_change=follow("model", view.model, lambda model: change(model=model)),
            label_visibility="collapsed",
            width=300,
        )
        with st.popover("About"):
            about(view)
    st.caption(_introduction(view))


def _introduction(view: View) -> str:
    try:
        return introduction(load(view.data, view.model)[1])
    except CheckpointError:
        return ""


def no_experts(view: View, why: str, elsewhere: StreamlitPage) -> None:
    """Show why a page about experts cannot show a model, and link to one that can."""
    st.markdown(f"### **{plain(view.model)}** has no product of experts")
    st.markdown(plain(why))
    st.page_link(elsewhere, label=f"Compare {plain(view.model)} with other models")
    st.caption(best_figures(view.model, records_of(view.data)))
    show_limitations(view, load(view.data, view.model)[1])


def frame() -> None:
    """Draw the navigation and run the requested page."""
    st.set_page_config("MVAE Explorer", page_icon="🔎", layout="wide")
    # These pages depend on no data set, or choose their own models.
    without_model = [st.Page("learn.py", title="Learn"), st.Page("theory.py", title="Theory")]
    # On these pages the visitor chooses several models.
    compare = st.Page("compare.py", title="Compare")
    with_models = [
        compare,
        st.Page("results.py", title="Results"),
        st.Page("supervision.py", title="Supervision"),
    ]
    of_experts = [
        st.Page("experts.py", title="Experts", default=True),
        st.Page("traverse.py", title="Traverse"),
        st.Page("map.py", title="Map"),
    ]
    missing = st.Page("missing.py", title="Missing")
    page = st.navigation([*of_experts, *with_models, missing, *without_model], position="top")
    st.html(STYLE)
    number_run()
    view, problems = open_view()
    if not view.data:
        st.warning(plain(problems[0]))
        st.stop()
    if page not in without_model:
        chooser(view, page not in with_models)
        show_number("chooser")
    for problem in problems:
        st.warning(plain(problem))
    try:
        if page in of_experts and (why := load(view.data, view.model)[0].no_experts):
            no_experts(view, why, compare)
        else:
            page.run()
    except CheckpointError as error:
        st.error(f"{plain(error)} Choose another model above.")
    show_number("page")


with one_version():
    frame()
