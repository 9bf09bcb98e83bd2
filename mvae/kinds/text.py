"""Texts: sequences of tokens from a vocabulary, decoded token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.distributions.autoregressive import TextDecoder, TextEncoder, text_mask
from mvae.kinds.base import Annotation
from mvae.kinds.label import remedy_of_index
from mvae.kinds.tokens import decode, encode, tally

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["Text"]

#: Number of texts listed in a terminal, the most frequent first.
N_DESCRIBED = 3


class Text(Annotation):
    """A text of up to ``shape[0]`` tokens, including its end; a datum is their indices."""

    name = "text"
    likelihoods = ("autoregressive",)
    settings = frozenset({"categories", "dropout"})
    value_type = str
    needs_names = True
    is_index = True
    is_text = True

    def check(self, m: Modality) -> None:
        """Check also that the two directions can halve the width."""
        super().check(m)
        if m.hidden[0] % 2:
            raise ValueError(f"the first width of a {self.name} must be even, not {m.hidden[0]}")

    def expected_shape(self, m: Modality) -> tuple[int, ...]:
        """Return the shape of the probabilities of each token at each position."""
        return (*m.shape, len(m.categories))

    def outputs(self, m: Modality) -> int:
        """Return the size of the vocabulary."""
        return len(m.categories)

    def encode(self, m: Modality, value: Any) -> Tensor:
        """Convert a string to tokens."""
        return encode(value, m) if isinstance(value, str) else super().encode(m, value)

    def decode(self, m: Modality, x: Tensor) -> str:
        """Convert tokens to a string."""
        return decode(x, m)

    def required(self, m: Modality) -> str:
        """Return the range of the indices."""
        return f"tokens, each an index from 0 to {self.outputs(m) - 1}"

    def remedy(self, m: Modality, known: Tensor) -> str:
        """Return advice on how to number the tokens."""
        return remedy_of_index(known, self.outputs(m))

    def first_layer(self, m: Modality, width: int) -> nn.Module:
        """Return a recurrent network that reads in both directions."""
        return TextEncoder(len(m.categories), width)

    def decoder(self, m: Modality, latents: int) -> nn.Module:
        """Return a recurrent network that generates token by token."""
        return TextDecoder(latents, m.hidden[0], len(m.categories), m.dropout)

    def fan_in(self, m: Modality) -> tuple[int, int]:
        """Return the size of the vocabulary, and the weights of the recurrent network."""
        return len(m.categories), 8 * m.hidden[0] ** 2

    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        """Return 1 where two texts are the same, else 0."""
        # Tokens after the end of a text are not part of it.
        return ((first == second) | ~text_mask(second)).all(-1).float()

    def predict(self, m: Modality, p: Distribution) -> Tensor:
        """Predict the most probable text, out of the most probable one of each draw."""
        texts = self.most_probable(m.distribution.expected(p))  # (N, B, L)
        scores = torch.stack([p.log_prob(text).logsumexp(0) for text in texts])  # (N, B)
        best = scores.argmax(0)
        return texts[best, torch.arange(len(best))]

    def describe(self, m: Modality, samples: Tensor) -> list[str]:
        """Return the most frequent texts of the draws."""
        counts = tally(samples, m)[:N_DESCRIBED]
        return [f"{text or '(empty)'} ({share:.0%} of the draws)" for text, share in counts]
