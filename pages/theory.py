"""Theory: when the product of the best single posteriors is the best joint posterior."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mvae.analysis.theory import DIVERGENCES, PAIRS
from pages.parts.code import show_code, theory_code
from pages.parts.colours import LABELS, OTHERS
from pages.parts.quadrature import show_quadrature
from pages.parts.training_step_table import METHODS, step_table
from pages.parts.view import View, change
from pages.parts.widget_sync import follow

TITLES = {
    "linear": "Linear",
    "square": "z² and a sign",
    "outliers": "Contradiction",
}
MODELS = {
    "linear": (
        r"x_1 = z + \sigma\varepsilon_1 \qquad x_2 = \tfrac12 z + \sigma\varepsilon_2",
        r"\text{observed: } x_1 = 1.2, \quad x_2 = -0.3",
        "Every posterior is Gaussian, so the best Gaussians are the posteriors themselves. The "
        "product of the best single ones, divided once by p(z), is exactly the joint posterior.",
    ),
    "square": (
        r"x_1 = z^2 + \sigma\varepsilon_1 \qquad x_2 = \mathrm{sign}(z + \sigma\varepsilon_2)",
        r"\text{observed: } x_1 = 1.5, \quad x_2 = +1",
        "The true posterior still factorises, but p(z|x₁) is not Gaussian: it has two modes where "
        "σ < √3, and a single flat one where σ is larger. The product of the best single Gaussians "
        "is not the best Gaussian.",
    ),
    "outliers": (
        r"p(x_i|z) = 0.9\,N(x_i; z, \sigma^2) + 0.1\,N(x_i; 0, 2^2)",
        r"\text{observed: } x_1 = 1.5, \quad x_2 = -1",
        "One observation in ten carries no information about z. Where σ is small, two precise "
        "observations contradict each other: the true posterior doubts both and widens, while the "
        "product narrows around a point between them that neither supports. Where σ is large, the "
        "two hardly differ.",
    ),
}
DIRECTIONS = {"reverse": "KL(q‖p)", "forward": "KL(p‖q)"}
MEANINGS = {
    "reverse": "q avoids regions that p excludes. If two modes are far apart, it settles on one "
    "of them (they may tie); if they overlap, it covers both. Maximising an ELBO fits q this way.",
    "forward": "q covers p: it has the mean and variance of p (moment matching).",
}
GRIDS = {
    "sub-sampled": "The loss is minus the **sum** of these terms, all of them at every step. A "
    "term reconstructs only the modalities it is given, and terms that coincide count once. With "
    "two modalities there are no subsets between one and all.",
    "denoising": "The same subsets are encoded, but each of them must reconstruct **all** "
    "modalities that the sample has, so each decoder learns from every term.",
    "dbm": "In a multimodal DBM no term is an ELBO of a subset, and no gradient flows back through "
    "an encoder: the gradient of each weight is a statistic under the data minus the same "
    "statistic under the model. The layers are pre-trained one at a time, then trained together.",
}
# Each equation is at most as wide as a phone, on several lines where it is longer.
LOSS = (
    r"\mathcal L = -\Big[ B(X) + \sum_{i=1}^{N} B(x_i) + \sum_{j=1}^{k} B(X_{S_j}) \Big]",
    r"\begin{aligned} B(X_S) = {} & E_{q(z|X_S)}\Big[\sum_{i \in R} \lambda_i \log p(x_i|z)\Big]"
    r" \\ & - \beta\, KL\big(q(z|X_S) \,\|\, p(z)\big) \end{aligned}",
)
TERMS = {
    "sub-sampled": "Each $S_j$ is drawn uniformly among the subsets of 2 to N − 1 modalities. What "
    "is encoded is reconstructed, $R = S$. With every λ = 1 and β = 1 each B is the ELBO of its "
    r"own modalities: $B(X_S) \le \log p(X_S)$.",
    "denoising": "Each $S_j$ is drawn uniformly among the subsets of 2 to N − 1 modalities. All "
    r"modalities are reconstructed, $R = \{1, \dots, N\}$. With every λ = 1 and β = 1 each B is a "
    r"lower bound on the evidence of **all** modalities, $B(X_S) \le \log p(X)$, since q may be "
    r"any density. It is not a bound on $\log p(X_S)$, which it can exceed.",
}
REFERENCES = """
- M. Wu, N. Goodman: [Multimodal generative models for scalable weakly-supervised
  learning](https://arxiv.org/abs/1802.05335), NeurIPS 2018. MVAE: product of experts (PoE),
  sub-sampled training.
- Y. Shi, N. Siddharth, B. Paige, P. Torr: [Variational mixture-of-experts autoencoders for
  multi-modal deep generative models](https://arxiv.org/abs/1911.03393), NeurIPS 2019.
- T. Sutter, I. Daunhawer, J. Vogt: [Generalized multimodal
  ELBO](https://arxiv.org/abs/2105.02470), ICLR 2021. Mixture of products of experts.
- G. Hinton: [Training products of experts by minimizing contrastive
  divergence](https://doi.org/10.1162/089976602760128018), Neural Computation 2002.
- J. Ngiam, A. Khosla, M. Kim, J. Nam, H. Lee, A. Ng: [Multimodal deep
  learning](https://icml.cc/2011/papers/399_icmlpaper.pdf), ICML 2011. Bimodal deep autoencoder.
- N. Srivastava, R. Salakhutdinov: [Multimodal learning with deep Boltzmann
  machines](https://papers.nips.cc/paper/2012/hash/af21d0c97db2e27e13572cbf59eb343d-Abstract.html),
  NeurIPS 2012.
"""


def choose(name: str, title: str, options: dict[Any, str], value: object) -> None:
    """Show a choice that is kept in the link."""
    st.segmented_control(
        title,
        list(options),
        format_func=options.__getitem__,
        key=name,
        required=True,
        on_change=follow(name, value, lambda chosen: change(**{name: chosen})),
    )


def equations(*lines: str, words: tuple[str, ...] = ()) -> None:
    """Show equations side by side, or stacked on a phone, each below its own words if any."""
    columns = st.columns(len(lines), gap="medium")
    for column, sentence in zip(columns, words, strict=False):
        column.markdown(sentence)
    for column, line in zip(columns, lines, strict=True):
        column.latex(line)


def product(view: View) -> None:
    """Show when the product of the best single Gaussians is the best joint one."""
    equations(
        r"p(z|x_1, \dots, x_N) \;\propto\; \frac{\prod_i p(z|x_i)}{p(z)^{N-1}}",
        r"q(z|x_1, \dots, x_N) \;\propto\; p(z) \prod_i \tilde q(z|x_i)",
        words=(
            "Given z, the modalities are independent. So the **true** posterior is the product of "
            "the single posteriors, each of which contains the prior once:",
            "That inspired the form of MVAE’s **approximate** posterior q, a product of experts "
            "(PoE) that contains the prior once:",
        ),
    )
    st.markdown(
        "It does **not** follow that the best q within a family is the product of the best single "
        "ones. Here are three pairs of modalities that depend on one number z, with the prior "
        "$N(0, 1)$, solved by quadrature:"
    )
    with st.container(horizontal=True, gap="large"):
        choose("pair", "Pair of modalities", {name: TITLES[name] for name in PAIRS}, view.pair)
        choose(
            "best",
            "“Best” Gaussian q: the one that minimises",
            {name: DIRECTIONS[name] for name in DIVERGENCES},
            view.best,
        )
    model, observed, words = MODELS[view.pair]
    equations(model, observed)
    st.markdown(f"{words} With this meaning of *best*, {MEANINGS[view.best]}")
    show_quadrature(view.pair, view.best, view.noise)
    st.caption(
        "All KL divergences are in nats; q is the curve of the row, and p is the true joint "
        "posterior unless the row says otherwise. Narrow peaks are cut off at the top. The mixture "
        "of products is taken over the three non-empty subsets."
    )
    st.markdown("### A further modality always narrows this q")
    equations(
        r"T = 1 + \sum_i \tilde T_i, \qquad \tilde T_i > 0",
        r"E_{x_2|x_1} H[p(z|x_1, x_2)] \le H[p(z|x_1)]",
        words=(
            "The precisions of experts are positive and add up, so every further expert narrows "
            "MVAE’s q, even one that contradicts the rest:",
            "The entropy H of the true posterior decreases only on average. For a particular x₂ "
            "it can increase: choose *Contradiction* above and lower the noise.",
        ),
    )


def step(view: View) -> None:
    """Show the terms of one training step as a table."""
    st.markdown("### One training step")
    with st.container(horizontal=True, gap="large"):
        choose("method", "Training method", METHODS, view.method)
        choose("count", "Modalities", {2: "2", 3: "3"}, view.count)
    st.markdown(GRIDS[view.method])
    names = ["image", "label", "sound"][: view.count]
    st.html(step_table(view.method, names, [OTHERS[0], LABELS[0], OTHERS[1]][: view.count]))
    if view.method in TERMS:
        equations(*LOSS)
        st.markdown(
            f"{TERMS[view.method]} With another λ, or while β is annealed, B is in general not "
            "such a bound."
        )


def relatives() -> None:
    """Distinguish MVAE's product from an RBM's, and describe the MVAE's predecessors."""
    st.markdown("### Two products of experts")
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**MVAE**: experts over the **latents**, inside the inference network.")
        st.latex(r"\tfrac1Z\, p(z) \prod_{i \in S} \tilde q(z|x_i) = N(z; \mu, T^{-1})")
        st.markdown("A product of Gaussians is a Gaussian, so Z has a closed form.")
    with right:
        st.markdown("**RBM**: experts over the **data**, one for each hidden unit.")
        st.latex(r"p(x) = \tfrac1Z\, e^{b^\top x} \prod_j \big(1 + e^{c_j + w_j^\top x}\big)")
        st.markdown(
            "Z is a sum over all possible x, which is intractable; hence training needs sampling. "
            "Here, too, each observed modality adds its evidence to $p(h|x)$; a missing one has to "
            "be summed over."
        )
    st.markdown("### Two predecessors")
    st.markdown(
        "Both are unsupervised and generative, and both handle missing modalities.\n\n"
        "- **Bimodal deep autoencoder** (Ngiam et al. 2011): pre-trained with RBMs, then trained "
        "to reconstruct both modalities while one is set to zero in a fixed share of the examples. "
        "That is denoising, and in effect sub-sampling.\n"
        "- **Multimodal DBM** (Srivastava & Salakhutdinov 2012): an undirected model; missing "
        "modalities are sampled from their conditionals. It needs layer-wise pre-training, whereas "
        "MVAE is trained end to end."
    )
    st.markdown("### References")
    st.markdown(REFERENCES)


def page() -> None:
    """Show the claims of the theory, each with a demonstration."""
    view: View = st.session_state["view"]
    st.markdown("### When is a product right?")
    product(view)
    show_code(theory_code(view))
    step(view)
    relatives()


page()
