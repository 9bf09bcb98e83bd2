"""A page with nothing but the drawing pad and the text that it gives."""

import streamlit as st

from mvae.errors import InputError
from mvae.images.preprocessing import unpack_bits
from pages.parts.pad import pad

st.title("Pad")
value = st.query_params.get("drawing")
framing = st.query_params.get("framing", "centred")
drawing = None
# like a page that is left and visited again, with what it wrote down
if st.checkbox("Show", True):
    drawing = pad("pad", framing=framing, value=st.session_state.get("kept", value))
    st.session_state["kept"] = drawing
st.session_state["runs"] = st.session_state.get("runs", 0) + 1
st.button("Run again")
st.markdown(f"Run {st.session_state['runs']}")
st.code(drawing or "nothing")
try:
    if drawing:
        st.markdown(f"Ink {int(unpack_bits(drawing, (1, 28, 28)).sum())}")
except InputError as error:
    st.error(str(error))
