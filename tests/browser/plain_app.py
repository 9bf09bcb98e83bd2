"""Foreign texts wherever Streamlit reads Markdown."""

import streamlit as st

from pages.parts.plain import code, plain
from tests.hostile_texts import HOSTILE, SIGNS

for i, sign in enumerate((*SIGNS, HOSTILE)):
    with st.container(key=f"text-{i}"):
        st.markdown(plain(sign))
    with st.container(key=f"sentence-{i}"):
        st.warning(f"The link asks for “{plain(sign)}”, which does not exist.")
    with st.container(key=f"label-{i}"):
        st.toggle(plain(sign), key=f"toggle {i}")
    with st.container(key=f"option-{i}"):
        st.pills("options", [sign], format_func=plain, key=f"pills {i}")
    with st.container(key=f"code-{i}"):
        st.markdown(code(sign))
