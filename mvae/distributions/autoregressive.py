"""Texts: a network that reads tokens, one that says them, and the distribution p(x|z) it makes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint
from torch.nn import functional

__all__ = ["END", "Autoregressive", "TextDecoder", "TextEncoder", "said"]

#: The token that ends a text, that fills what is left of it, and that a text begins after.
END = 0


def said(tokens: Tensor) -> Tensor:
    """Mark what belongs to a text: its tokens and its first end, ``(..., L)``.

    Example:
        >>> said(torch.tensor([7, 3, 0, 0])).tolist()
        [True, True, True, False]
    """
    ends = tokens == END
    return (ends.cumsum(-1) - ends.long()) == 0


class TextEncoder(nn.Module):
    """Read a text in both directions: gated recurrent units, their states averaged over it.

    Cho et al. 2014, https://arxiv.org/abs/1406.1078.

    Args:
        vocabulary: how many tokens there are.
        width: how many numbers it gives; even.
    """

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width // 2)
        self.units = nn.GRU(width // 2, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """Read tokens ``(B, L)``, ``(B, width)``; what stands after the end is not read."""
        there = said(x)
        states, _ = self.units(self.embed(torch.where(there, x, END)))  # (B, L, width)
        weights = there.unsqueeze(-1).to(states.dtype)
        mean: Tensor = (states * weights).sum(1) / weights.sum(1)
        return mean


class TextDecoder(nn.Module):
    r"""Say a text token by token: gated recurrent units that hear z at every step.

    .. math:: h_0 = \tanh(A z + a), \qquad h_t = \mathrm{GRU}([e(x_{t-1}), z], h_{t-1}), \qquad
              p(x_t|x_{<t}, z) = \mathrm{softmax}(W h_t + b)

    In training it is not told some of the tokens before, so that it has to listen to z: Bowman et
    al. 2016, https://arxiv.org/abs/1511.06349.

    Args:
        latents: D.
        width: units of the hidden state; tokens are embedded in half as many numbers.
        vocabulary: how many tokens there are.
        dropout: share of the tokens that it is not told in training.
    """

    def __init__(self, latents: int, width: int, vocabulary: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.start = nn.Linear(latents, width)
        self.embed = nn.Embedding(vocabulary, width // 2)
        self.units = nn.GRU(width // 2 + latents, width, batch_first=True)
        self.say = nn.Linear(width, vocabulary)

    def forward(self, z: Tensor) -> tuple[TextDecoder, Tensor]:
        """Give itself and what it is to speak of, of which `Autoregressive` makes p(x|z)."""
        return self, z

    def begin(self, z: Tensor) -> Tensor:
        """Give the first state, ``(N, D)`` to ``(1, N, width)``."""
        return torch.tanh(self.start(z)).unsqueeze(0)

    def go_on(self, z: Tensor, before: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Give the states after the tokens before each place, ``(N, L)``, and the last of them."""
        told = z.unsqueeze(1).expand(-1, before.shape[1], -1)
        states: tuple[Tensor, Tensor]
        states = self.units(torch.cat((self.embed(before), told), -1), state)
        return states  # (N, L, width) and (1, N, width)


class Autoregressive(Distribution):
    r"""A distribution over texts of up to L tokens, each given those before it.

    .. math:: \log p(x|z) = \sum_{t=1}^{T} \log p(x_t|x_{<t}, z), \qquad x_T = \text{the end}

    A text as long as there is room for needs no end.

    Args:
        spoken: the network, and z ``(..., D)``.
        length: L.

    Example:
        >>> speaker = TextDecoder(latents=2, width=4, vocabulary=3)
        >>> p = Autoregressive(speaker(torch.zeros(5, 2)), length=2)
        >>> every = torch.tensor([[0, 0], [1, 0], [2, 0], [1, 1], [1, 2], [2, 1], [2, 2]])
        >>> total = p.log_prob(every.unsqueeze(1)).exp().sum(0)  # over all texts there are
        >>> torch.allclose(total, torch.ones(5))
        True
    """

    arg_constraints: dict[str, Constraint] = {}  # noqa: RUF012  torch's own name and type

    def __init__(self, spoken: tuple[TextDecoder, Tensor], length: int) -> None:
        self.speaker, self.z = spoken
        super().__init__(self.z.shape[:-1], torch.Size((length,)), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log p of tokens ``(..., L)``, whose shape is broadcast, ``(...)``."""
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        z = self.z.expand(*shape, -1).reshape(-1, self.z.shape[-1])
        x = value.expand(*shape, -1).reshape(-1, value.shape[-1])
        before = functional.pad(x[:, :-1], (1, 0), value=END)
        if self.speaker.training and self.speaker.dropout:
            dropped = torch.rand(before.shape, device=before.device) < self.speaker.dropout
            before = before.masked_fill(dropped, END)
        states, _ = self.speaker.go_on(z, before, self.speaker.begin(z))
        # All tokens of a large vocabulary are scored at places that a text has, and at no others.
        there = said(x)
        cost = functional.cross_entropy(self.speaker.say(states[there]), x[there], reduction="none")
        return -states.new_zeros(x.shape).masked_scatter(there, cost).sum(-1).view(shape)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draw texts token by token, ``(*sample_shape, ..., L)``."""
        z = self.z.expand(*sample_shape, *self.z.shape).reshape(-1, self.z.shape[-1])
        tokens, _ = self._speak(z, draw=True)
        return tokens.view(*sample_shape, *self.batch_shape, *self.event_shape)

    @property
    def mean(self) -> Tensor:
        """Probabilities of all tokens at each place of the text that takes the likeliest ones.

        Of shape ``(..., L, V)``; after its end there is nothing but the end.
        """
        z = self.z.reshape(-1, self.z.shape[-1])
        _, probabilities = self._speak(z, draw=False)
        return probabilities.view(*self.batch_shape, *probabilities.shape[1:])

    def _speak(self, z: Tensor, draw: bool) -> tuple[Tensor, Tensor]:
        """Say a text for each z ``(N, D)``: tokens ``(N, L)`` and probabilities ``(N, L, V)``."""
        state = self.speaker.begin(z)
        token = torch.full((len(z), 1), END, device=z.device)
        over = torch.zeros_like(token, dtype=torch.bool)
        silence = functional.one_hot(token, self.speaker.say.out_features).to(z.dtype)
        tokens, probabilities = [], []
        for _ in range(self.event_shape[0]):
            states, state = self.speaker.go_on(z, token, state)
            p = torch.where(over.unsqueeze(-1), silence, self.speaker.say(states).softmax(-1))
            token = torch.multinomial(p[:, 0], 1) if draw else p.argmax(-1)
            over = over | (token == END)
            tokens.append(token)
            probabilities.append(p)  # (N, 1, V)
        return torch.cat(tokens, 1), torch.cat(probabilities, 1)
