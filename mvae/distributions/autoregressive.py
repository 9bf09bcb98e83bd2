"""Texts: a token encoder, an autoregressive decoder, and the distribution p(x|z) it defines."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint
from torch.nn import functional

__all__ = ["END", "Autoregressive", "TextDecoder", "TextEncoder", "text_mask"]

#: The end-of-text token, which is also the padding and the start token.
END = 0


def text_mask(tokens: Tensor) -> Tensor:
    """Mark the positions that belong to a text, up to and including its first END, ``(..., L)``.

    Example:
        >>> text_mask(torch.tensor([7, 3, 0, 0])).tolist()
        [True, True, True, False]
    """
    ends = tokens == END
    return (ends.cumsum(-1) - ends.long()) == 0


class TextEncoder(nn.Module):
    """Bidirectional gated recurrent units whose states are averaged over the text.

    Cho et al. 2014, https://arxiv.org/abs/1406.1078.

    Args:
        vocabulary: the number of tokens.
        width: the number of outputs; even.
    """

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width // 2)
        self.units = nn.GRU(width // 2, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """Encode tokens ``(B, L)`` as features ``(B, width)``; tokens after the end are ignored."""
        mask = text_mask(x)
        states, _ = self.units(self.embed(torch.where(mask, x, END)))  # (B, L, width)
        weights = mask.unsqueeze(-1).to(states.dtype)
        mean: Tensor = (states * weights).sum(1) / weights.sum(1)
        return mean


class TextDecoder(nn.Module):
    r"""Generate a text token by token: gated recurrent units with z as an input at every step.

    .. math:: h_0 = \tanh(A z + a), \qquad h_t = \mathrm{GRU}([e(x_{t-1}), z], h_{t-1}), \qquad
              p(x_t|x_{<t}, z) = \mathrm{softmax}(W h_t + b)

    In training, some of the previous tokens are dropped, so that the decoder must rely on z: Bowman
    et al. 2016, https://arxiv.org/abs/1511.06349.

    Args:
        latents: D.
        width: the size of the hidden state; token embeddings have half that size.
        vocabulary: the number of tokens.
        dropout: the fraction of previous tokens that are dropped in training.
    """

    def __init__(self, latents: int, width: int, vocabulary: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.start = nn.Linear(latents, width)
        self.embed = nn.Embedding(vocabulary, width // 2)
        self.units = nn.GRU(width // 2 + latents, width, batch_first=True)
        self.say = nn.Linear(width, vocabulary)  # the output layer, by its name in weights files

    def forward(self, z: Tensor) -> tuple[TextDecoder, Tensor]:
        """Return this network and z, from which `Autoregressive` makes p(x|z)."""
        return self, z

    def initial_state(self, z: Tensor) -> Tensor:
        """Compute h_0, ``(N, D)`` to ``(1, N, width)``."""
        return torch.tanh(self.start(z)).unsqueeze(0)

    def hidden_states(self, z: Tensor, previous: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Compute h_t at each position from the previous tokens ``(N, L)``, and the last state."""
        z_at_each = z.unsqueeze(1).expand(-1, previous.shape[1], -1)
        states: tuple[Tensor, Tensor]
        states = self.units(torch.cat((self.embed(previous), z_at_each), -1), state)
        return states  # (N, L, width) and (1, N, width)


class Autoregressive(Distribution):
    r"""A distribution over texts of up to L tokens, each conditioned on those before it.

    .. math:: \log p(x|z) = \sum_{t=1}^{T} \log p(x_t|x_{<t}, z), \qquad x_T = \text{END}

    A text of L tokens needs no END.

    Args:
        decoder_and_z: the network, and z ``(..., D)``.
        length: L, the maximum number of tokens.

    Example:
        >>> decoder = TextDecoder(latents=2, width=4, vocabulary=3)
        >>> p = Autoregressive(decoder(torch.zeros(5, 2)), length=2)
        >>> texts = torch.tensor([[0, 0], [1, 0], [2, 0], [1, 1], [1, 2], [2, 1], [2, 2]])
        >>> total = p.log_prob(texts.unsqueeze(1)).exp().sum(0)  # over all possible texts
        >>> torch.allclose(total, torch.ones(5))
        True
    """

    arg_constraints: dict[str, Constraint] = {}  # noqa: RUF012  torch's own name and type

    def __init__(self, decoder_and_z: tuple[TextDecoder, Tensor], length: int) -> None:
        self.decoder, self.z = decoder_and_z
        super().__init__(self.z.shape[:-1], torch.Size((length,)), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Compute log p in nats of tokens ``(..., L)``, broadcast with z, ``(...)``."""
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        z = self.z.expand(*shape, -1).reshape(-1, self.z.shape[-1])
        x = value.expand(*shape, -1).reshape(-1, value.shape[-1])
        previous = functional.pad(x[:, :-1], (1, 0), value=END)
        if self.decoder.training and self.decoder.dropout:
            dropped = torch.rand(previous.shape, device=previous.device) < self.decoder.dropout
            previous = previous.masked_fill(dropped, END)
        states, _ = self.decoder.hidden_states(z, previous, self.decoder.initial_state(z))
        # The logits of a large vocabulary are expensive, so they are computed within texts only.
        mask = text_mask(x)
        cost = functional.cross_entropy(self.decoder.say(states[mask]), x[mask], reduction="none")
        return -states.new_zeros(x.shape).masked_scatter(mask, cost).sum(-1).view(shape)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draw texts token by token, ``(*sample_shape, ..., L)``."""
        z = self.z.expand(*sample_shape, *self.z.shape).reshape(-1, self.z.shape[-1])
        tokens, _ = self._decode(z, draw=True)
        return tokens.view(*sample_shape, *self.batch_shape, *self.event_shape)

    @property
    def mean(self) -> Tensor:
        """Token probabilities at each position of the greedily decoded text, ``(..., L, V)``.

        After the end of the text, END has probability 1.
        """
        z = self.z.reshape(-1, self.z.shape[-1])
        _, probabilities = self._decode(z, draw=False)
        return probabilities.view(*self.batch_shape, *probabilities.shape[1:])

    def _decode(self, z: Tensor, draw: bool) -> tuple[Tensor, Tensor]:
        """Decode a text per z ``(N, D)``: tokens ``(N, L)`` and probabilities ``(N, L, V)``."""
        state = self.decoder.initial_state(z)
        token = torch.full((len(z), 1), END, device=z.device)
        ended = torch.zeros_like(token, dtype=torch.bool)
        only_end = functional.one_hot(token, self.decoder.say.out_features).to(z.dtype)
        tokens, probabilities = [], []
        for _ in range(self.event_shape[0]):
            states, state = self.decoder.hidden_states(z, token, state)
            p = torch.where(ended.unsqueeze(-1), only_end, self.decoder.say(states).softmax(-1))
            token = torch.multinomial(p[:, 0], 1) if draw else p.argmax(-1)
            ended = ended | (token == END)
            tokens.append(token)
            probabilities.append(p)  # (N, 1, V)
        return torch.cat(tokens, 1), torch.cat(probabilities, 1)
