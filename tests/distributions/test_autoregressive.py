"""Texts: probabilities by loops over gates written out, by counting, and over all texts."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mvae.distributions.autoregressive import (
    END,
    Autoregressive,
    TextDecoder,
    TextEncoder,
    text_mask,
)

pytestmark = pytest.mark.usefixtures("float64")

LATENTS, WIDTH, VOCABULARY, LENGTH = 2, 6, 3, 4
Vector = NDArray[np.float64]


def speaker(seed: int = 0, vocabulary: int = VOCABULARY, scale: float = 2.0) -> TextDecoder:
    """Make one with weights large enough to prefer some texts by far."""
    torch.manual_seed(seed)
    network = TextDecoder(LATENTS, WIDTH, vocabulary)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(scale)
    return network


def every_text(vocabulary: int, length: int) -> Tensor:
    """List all texts: no two alike before their end, and zeros after it."""
    tokens = torch.tensor(list(product(range(vocabulary), repeat=length)))
    return torch.where(text_mask(tokens), tokens, END).unique(dim=0)


def latents(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, LATENTS, generator=torch.Generator().manual_seed(seed))


def weights(module: nn.Module) -> dict[str, Vector]:
    return {name: x.detach().numpy() for name, x in module.state_dict().items()}


def sigmoid(x: Vector) -> Vector:
    return 1 / (1 + np.exp(-x))


def step(w: dict[str, Vector], x: Vector, h: Vector, way: str = "") -> Vector:
    """Let a gated recurrent unit take a step: reset, update and new gates (Cho et al. 2014)."""
    inputs = np.split(w[f"units.weight_ih_l0{way}"], 3), np.split(w[f"units.bias_ih_l0{way}"], 3)
    states = np.split(w[f"units.weight_hh_l0{way}"], 3), np.split(w[f"units.bias_hh_l0{way}"], 3)
    (xr, xu, xn), (hr, hu, hn) = (
        [matrix @ v + bias for matrix, bias in zip(*gates, strict=True)]
        for gates, v in ((inputs, x), (states, h))
    )
    update = sigmoid(xu + hu)
    return (1 - update) * np.tanh(xn + sigmoid(xr + hr) * hn) + update * h


def probabilities(network: TextDecoder, z: Vector, before: list[int]) -> Vector:
    """Give p(next token | those before, z)."""
    w = weights(network)
    h = np.tanh(w["start.weight"] @ z + w["start.bias"])
    for token in [END, *before]:
        h = step(w, np.concatenate((w["embed.weight"][token], z)), h)
    logits = w["say.weight"] @ h + w["say.bias"]
    return np.exp(logits) / np.exp(logits).sum()


def log_p(network: TextDecoder, z: Vector, text: list[int]) -> float:
    total = 0.0
    for t, token in enumerate(text):
        total += math.log(probabilities(network, z, text[:t])[token])
        if token == END:
            break
    return total


def test_probabilities_of_all_texts_sum_to_one():
    texts = every_text(VOCABULARY, LENGTH)
    assert len(texts) == sum(2**t for t in range(LENGTH + 1))
    p = Autoregressive(speaker()(latents(7)), LENGTH).log_prob(texts.unsqueeze(1)).exp()
    assert p.shape == (len(texts), 7)
    assert p.max() > 5 * p.median()
    torch.testing.assert_close(p.sum(0), torch.ones(7))


def test_log_probability_is_that_of_a_loop_over_gates():
    network, z = speaker(), latents(5)
    texts = torch.tensor([[1, 2, 0, 0], [0, 0, 0, 0], [2, 2, 2, 2], [1, 1, 2, 0], [2, 0, 0, 0]])
    expected = [log_p(network, z[n].numpy(), texts[n].tolist()) for n in range(5)]
    got = Autoregressive(network(z), LENGTH).log_prob(texts)
    torch.testing.assert_close(got, torch.tensor(expected))


def test_what_stands_after_the_end_has_no_say():
    z = latents(3)
    texts = torch.tensor([[1, 0, 0, 0], [1, 0, 2, 1], [1, 0, 0, 2]])
    p = Autoregressive(speaker()(z), LENGTH).log_prob(texts.unsqueeze(1))
    assert torch.equal(p[0], p[1])
    assert torch.equal(p[0], p[2])
    read = TextEncoder(VOCABULARY, WIDTH)(texts)
    assert torch.equal(read[0], read[1])
    assert torch.equal(read[0], read[2])


@pytest.mark.parametrize(
    ("of_z", "of_x", "result"),
    [
        ((), (), ()),
        ((), (3,), (3,)),
        ((3,), (), (3,)),
        ((3,), (3,), (3,)),
        ((2, 3), (3,), (2, 3)),
        ((3,), (2, 1), (2, 3)),
        ((2, 1), (1, 3), (2, 3)),
    ],
)
def test_shapes_are_broadcast(of_z, of_x, result):
    network, z = speaker(), latents(*of_z)
    source = torch.Generator().manual_seed(2)
    x = torch.randint(VOCABULARY, (*of_x, LENGTH), generator=source)
    p = Autoregressive(network(z), LENGTH)
    got = p.log_prob(x)
    assert got.shape == result
    rows = z.expand(*result, LATENTS).reshape(-1, LATENTS)
    texts = x.expand(*result, LENGTH).reshape(-1, LENGTH)
    for value, row, text in zip(got.flatten().tolist(), rows, texts, strict=True):
        assert math.isclose(value, log_p(network, row.numpy(), text.tolist()), rel_tol=1e-9)
    assert p.batch_shape == of_z
    assert p.sample().shape == (*of_z, LENGTH)
    assert p.sample([5, 2]).shape == (5, 2, *of_z, LENGTH)
    assert p.mean.shape == (*of_z, LENGTH, VOCABULARY)


def test_samples_are_as_frequent_as_their_probabilities():
    n, length = 40_000, 3
    p = Autoregressive(speaker(scale=1.5)(latents(2)), length)
    texts = every_text(VOCABULARY, length)
    torch.manual_seed(3)
    drawn = p.sample([n])
    assert torch.equal(drawn, torch.where(text_mask(drawn), drawn, END))  # nothing after the end
    for b in range(2):
        counts = (drawn[:, b].unsqueeze(1) == texts).all(-1).sum(0)
        assert counts.sum() == n
        expected = n * p.log_prob(texts.unsqueeze(1))[:, b].exp()
        assert expected.min() > 5
        # χ² of 14 degrees of freedom: above 36.1 once in a thousand times
        assert ((counts - expected).square() / expected).sum() < 36.1


def test_mean_follows_the_likeliest_tokens_and_is_silent_after_the_end():
    network, z = speaker(vocabulary=5, scale=3.0), latents(30)
    mean = Autoregressive(network(z), LENGTH).mean
    ended = 0
    for n in range(30):
        text: list[int] = []
        for t in range(LENGTH):
            if END in text:
                assert mean[n, t].tolist() == [1, 0, 0, 0, 0]
                ended += 1
            else:
                expected = probabilities(network, z[n].numpy(), text)
                np.testing.assert_allclose(mean[n, t].detach().numpy(), expected)
                text.append(int(expected.argmax()))
    assert 0 < ended < 30 * LENGTH - 30  # some texts have ended, and not all at once


def test_reader_is_the_average_of_both_directions():
    torch.manual_seed(4)
    reader = TextEncoder(VOCABULARY, WIDTH)
    w, texts = weights(reader), torch.tensor([[1, 2, 0, 0], [2, 1, 0, 0], [2, 1, 1, 2]])
    for text, got in zip(texts.tolist(), reader(texts), strict=True):
        states = np.zeros((LENGTH, WIDTH))
        for way, part, places in (
            ("", slice(WIDTH // 2), range(LENGTH)),
            ("_reverse", slice(WIDTH // 2, WIDTH), reversed(range(LENGTH))),
        ):
            h = np.zeros(WIDTH // 2)
            for t in places:
                h = step(w, w["embed.weight"][text[t]], h, way)
                states[t, part] = h
        length = text.index(END) + 1 if END in text else LENGTH
        np.testing.assert_allclose(got.detach().numpy(), states[:length].mean(0))


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_gradients_are_finite_and_reach_every_weight(scale):
    network, reader = speaker(scale=scale), TextEncoder(VOCABULARY, LATENTS)
    texts = every_text(VOCABULARY, LENGTH)
    Autoregressive(network(reader(texts)), LENGTH).log_prob(texts).sum().backward()
    for weight in (*network.parameters(), *reader.parameters()):
        assert weight.grad is not None
        assert weight.grad.isfinite().all()
        assert scale > 1 or weight.grad.any()


def test_no_texts_are_no_texts():
    p = Autoregressive(speaker()(latents(0)), LENGTH)
    assert TextEncoder(VOCABULARY, WIDTH)(torch.zeros(0, LENGTH, dtype=torch.long)).shape == (
        0,
        WIDTH,
    )
    assert p.log_prob(torch.zeros(0, LENGTH, dtype=torch.long)).shape == (0,)
    assert p.sample().shape == (0, LENGTH)
