"""Bipartite Boltzmann machines: energy, conditionals, Gibbs sampling, mean field and log Z."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BoltzmannMachine", "State", "bernoulli_entropy"]

#: Values of some groups of units by name, each ``(..., units)``.
State = dict[str, Tensor]

#: Spread of the first weights of a category, times √n: a random code over n units, which together
#: tell one category from another by some nats. Weights as small as those of other units would
#: take tens of epochs to grow, as a one-hot unit varies little; larger ones stop the chains.
CODE = 8.0
#: Persistent chains: a batch of them, kept with the weights so that training can be resumed.
CHAINS = 128
#: Chance of a persistent chain to start anew at random, each sweep: what lies on the way from a
#: random start is then unlearned too. Without, chains that start at random stay in a grey state.
RESTART = 0.01
#: How far offsets go, each step, towards the means of hidden units.
FOLLOW = 0.03
#: Gibbs sweeps from mean field to a draw of the hidden units given data.
GIBBS = 2
#: Sweeps of mean field over the layers of a deep machine.
SWEEPS = 10


class BoltzmannMachine(nn.Module):
    r"""Units on two sides, *even* and *odd*, with weights only between the sides.

    .. math:: E(x) = -\sum_a b_a\cdot x_a - \sum_{(a,b)} (x_a-o_a)^\top W_{ab}\,(x_b-o_b),
              \qquad p(x) = e^{-E(x)} / Z

    An RBM is one: visible units are even, hidden ones odd. So is a deep Boltzmann machine: even
    layers and odd layers. Given one side the units of the other are independent. Units are binary;
    a categorical group of the even side is one-hot, a single softmax unit. The offsets o, means of
    the data and of hidden units (½ at first), change no machine into another, but how it learns:
    without them a weight's gradient is mostly that of two biases. Montavon & Müller, *Deep
    Boltzmann Machines and the Centering Trick*, 2012,
    https://doi.org/10.1007/978-3-642-35289-8_33.

    Args:
        even: names of the groups of the even side, and how many units each has.
        odd: the same for the odd side.
        edges: which even group is connected with which odd group.
        categorical: names of the even groups that are one-hot.

    Example:
        >>> machine = BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")])
        >>> machine.energy({"v": torch.ones(5, 3), "h": torch.zeros(5, 2)}).shape
        torch.Size([5])
    """

    chains: Tensor
    centred: Tensor

    def __init__(
        self,
        even: Mapping[str, int],
        odd: Mapping[str, int],
        edges: Iterable[tuple[str, str]],
        categorical: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.even, self.odd, self.edges = dict(even), dict(odd), tuple(edges)
        self.categorical = frozenset(categorical)
        sizes = self.even | self.odd
        self.biases = nn.ParameterDict({name: torch.zeros(n) for name, n in sizes.items()})
        self.weights = nn.ParameterDict(
            {
                f"{a} - {b}": (CODE / sizes[b] ** 0.5 if a in self.categorical else 0.01)
                * torch.randn(sizes[a], sizes[b])
                for a, b in self.edges
            }
        )
        for name, n in sizes.items():
            self.register_buffer(f"offset {name}", torch.full((n,), 0.5))
        self.register_buffer("centred", torch.tensor(False))
        start = [self.draw(name, torch.zeros(CHAINS, n)) for name, n in self.even.items()]
        self.register_buffer("chains", torch.cat(start, -1).bool())

    def weight(self, a: str, b: str) -> Tensor:
        """Give W_ab, ``(units of a, units of b)``."""
        matrix: Tensor = self.weights[f"{a} - {b}"]
        return matrix

    def offset(self, name: str) -> Tensor:
        """Give the values that a group's units are measured from, ``(units,)``."""
        values: Tensor = self.get_buffer(f"offset {name}")
        return values

    @torch.no_grad()
    def centre(self, data: State) -> None:
        """Before the first step: measure data from their mean, and begin with their rates."""
        if self.centred or not len(next(iter(data.values()))):
            return
        for name, x in data.items():
            rate = (x.sum(0) + 0.1) / (len(x) + 1)
            self.offset(name).copy_(rate)
            self.biases[name].copy_(rate.log() if name in self.categorical else rate.logit())
        self.centred.fill_(True)

    @torch.no_grad()
    def recentre(self, means: State) -> None:
        r"""Move the offsets of hidden groups towards their means; the machine stays the same.

        .. math:: o_b \leftarrow o_b + \delta_b, \qquad b_a \leftarrow b_a + W_{ab}\,\delta_b

        Melchior et al. 2016, https://www.jmlr.org/papers/v17/14-237.html.

        Args:
            means: of hidden groups given a batch of data, ``(B, units)``; an empty one moves none.
        """
        if not len(next(iter(means.values()))):
            return
        moved = {n: FOLLOW * (x.mean(0) - self.offset(n)) for n, x in means.items()}
        for a, b in self.edges:
            if b in moved:
                self.biases[a].add_(self.weight(a, b) @ moved[b])
            if a in moved:
                self.biases[b].add_(moved[a] @ self.weight(a, b))
        for name, by in moved.items():
            self.offset(name).add_(by)

    def inputs(self, name: str, state: State) -> Tensor:
        """Sum what a group receives from those of its neighbours that the state holds."""
        total = torch.zeros(())
        for a, b in self.edges:
            if b == name and a in state:
                total = total + (state[a] - self.offset(a)) @ self.weight(a, b)
            elif a == name and b in state:
                total = total + (state[b] - self.offset(b)) @ self.weight(a, b).T
        return total

    def field(self, name: str, state: State) -> Tensor:
        """Give a group's logits given its neighbours: bias and inputs, ``(..., units)``."""
        logits: Tensor = self.biases[name] + self.inputs(name, state)
        return logits

    def mean(self, name: str, field: Tensor) -> Tensor:
        """Give the probabilities of a group's units by their field."""
        return field.softmax(-1) if name in self.categorical else field.sigmoid()

    def draw(self, name: str, field: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a group's units by their field: 0 or 1, and one-hot for a category."""
        u = torch.rand(field.shape, generator=generator)
        if name in self.categorical:  # Gumbel's maximum
            best = (field - (-u.log()).log()).argmax(-1)
            return functional.one_hot(best, field.shape[-1]).to(field.dtype)
        return (u < field.sigmoid()).to(field.dtype)

    def draw_all(
        self, names: Iterable[str], state: State, generator: torch.Generator | None = None
    ) -> State:
        """Draw the groups of one side given the other."""
        return {name: self.draw(name, self.field(name, state), generator) for name in names}

    def energy(self, state: State) -> Tensor:
        """Give E of the groups that the state holds, without all others, ``(...)``."""
        total = torch.zeros(())
        for name, x in state.items():
            total = total - x @ self.biases[name]
        for a, b in self.edges:
            if a in state and b in state:
                x, y = state[a] - self.offset(a), state[b] - self.offset(b)
                total = total - (x @ self.weight(a, b) * y).sum(-1)
        return total

    def free_energy(self, even: State) -> Tensor:
        r"""Give F with p(even) = exp(−F) / Z, the odd side summed out, ``(...)``.

        .. math:: F(x) = E(x, 0) - \sum_b\sum_j\log\big(1+e^{(b_b + (x-o)^\top W)_j}\big)
        """
        fields = {name: self.field(name, even) for name in self.odd}
        on = [functional.softplus(field).sum(-1) for field in fields.values()]
        return self.energy_of_even(even, fields) - torch.stack(on).sum(0)

    def energy_of_even(self, even: State, fields: State) -> Tensor:
        """Give E where the odd side is 0, by the fields of the odd side, ``(...)``."""
        total = torch.zeros(())
        for name, x in even.items():
            total = total - x @ self.biases[name]
        for name, field in fields.items():
            total = total + (field - self.biases[name]) @ self.offset(name)
        return total

    @torch.no_grad()
    def mean_field(self, visible: State) -> State:
        """Give the means of all groups: the visible ones, and a factorial q of all others.

        Where only the odd side is hidden, this is the exact posterior.
        """
        free = [name for name in self.even if name not in visible]
        received = {name: self.field(name, visible) for name in (*free, *self.odd)}
        even = {name: received[name].sigmoid() for name in free}
        odd: State = {}
        for _ in range(SWEEPS if free else 1):
            odd = {n: (received[n] + self.inputs(n, even)).sigmoid() for n in self.odd}
            even = {n: (received[n] + self.inputs(n, odd)).sigmoid() for n in free}
        return visible | even | odd

    @torch.no_grad()
    def posterior(
        self, visible: State, start: State, generator: torch.Generator | None = None
    ) -> State:
        """Draw the hidden even side given the data; the odd side as its means, of less variance.

        The means of mean field alone would hide how hidden units vary together: what the chains
        show of it would be unlearned, and weights between hidden layers would fade.

        Args:
            visible: the data.
            start: means of all groups, from which the chains start.
            generator: the source of randomness.
        """
        free = [name for name in self.even if name not in visible]
        hidden = {name: torch.bernoulli(start[name], generator=generator) for name in free}
        for _ in range(GIBBS):
            odd = self.draw_all(self.odd, visible | hidden, generator)
            hidden = self.draw_all(free, odd, generator)
        even = visible | hidden
        return even | {name: self.field(name, even).sigmoid() for name in self.odd}

    def bound(self, visible: State) -> Tensor:
        r"""Bound log p(v) + log Z from below by mean field; exact for a hidden odd side alone.

        .. math:: E_q[-E(v,h)] + H(q) \le \log p(v) + \log Z
        """
        state = self.mean_field(visible)
        hidden = [q for name, q in state.items() if name not in visible]
        return bernoulli_entropy(hidden) - self.energy(state)

    @torch.no_grad()
    def gibbs(
        self,
        evidence: State,
        given: Mapping[str, Tensor],
        shape: tuple[int, int],
        steps: int,
        generator: torch.Generator | None = None,
    ) -> State:
        """Run chains from a random start, in which the evidence stays as it is.

        Args:
            evidence: values of some even groups, ``(B, units)`` or ``(N, B, units)``.
            given: for each of them, for which samples it is evidence at all, bool ``(B, 1)``.
            shape: N chains for each of B samples.
            steps: how often both sides are drawn.
            generator: the source of randomness.

        Returns:
            State: the last one, all groups ``(N, B, units)``.
        """

        def clamp(drawn: State) -> State:
            held = {n: torch.where(given[n], x, drawn[n]) for n, x in evidence.items()}
            return drawn | held

        start = {name: torch.zeros(*shape, n) for name, n in self.even.items()}
        even = clamp({name: self.draw(name, x, generator) for name, x in start.items()})
        odd: State = {}
        for _ in range(steps):
            odd = self.draw_all(self.odd, even, generator)
            even = clamp(self.draw_all(self.even, odd, generator))
        return even | odd

    @torch.no_grad()
    def persist(self, generator: torch.Generator | None = None) -> State:
        """Take the persistent chains one sweep on; the odd side as its means, of less variance.

        A few start anew at random.
        """
        anew = torch.rand(CHAINS, 1, generator=generator) < RESTART
        even = {
            name: torch.where(anew, self.draw(name, torch.zeros_like(x), generator), x)
            for name, x in self.persistent().items()
        }
        even = self.draw_all(self.even, self.draw_all(self.odd, even, generator), generator)
        self.chains.copy_(torch.cat(list(even.values()), -1))
        return even | {name: self.field(name, even).sigmoid() for name in self.odd}

    def base_rates(self) -> State:
        """Give biases with which independent even units are on as often as in the chains."""
        rates = {}
        for name, x in self.persistent().items():
            # As if every value had been seen once more.
            on = (x.sum(0) + 1) / (len(x) + (x.shape[-1] if name in self.categorical else 2))
            rates[name] = on.log() if name in self.categorical else on.logit()
        return rates

    def persistent(self) -> State:
        """Give the even side of the persistent chains, ``(CHAINS, units)`` each."""
        kept = self.chains.to(self.biases[next(iter(self.even))].dtype)
        return dict(zip(self.even, kept.split(list(self.even.values()), -1), strict=True))

    def contrast(self, data: State, model: State) -> Tensor:
        r"""Give a loss whose gradient is that of −log p(v), for states that are held fixed.

        .. math:: \frac1B\sum_b E(x_b) - \frac1C\sum_c E(\tilde x_c), \qquad
                  x_b \sim p(h|v_b), \quad \tilde x_c \sim p(x)

        With persistent chains as x̃ it is persistent contrastive divergence: Tieleman 2008,
        https://doi.org/10.1145/1390156.1390290.
        """
        difference = self.energy(data) - self.energy(model).mean()
        # Without a complete sample there is nothing to contrast: the sum is empty.
        return difference.sum() / max(len(difference), 1)


def bernoulli_entropy(groups: Iterable[Tensor]) -> Tensor:
    """Sum the entropies of independent binary units by their probabilities, ``(...)``."""
    return sum(
        (-(torch.xlogy(q, q) + torch.xlogy(1 - q, 1 - q)).sum(-1) for q in groups),
        start=torch.zeros(()),
    )
