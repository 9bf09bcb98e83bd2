"""Bipartite Boltzmann machines: energy, conditionals, Gibbs sampling, mean field and log Z."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BoltzmannMachine", "State", "bernoulli_entropy"]

#: Values of some groups of units, by name, each ``(..., units)``.
State = dict[str, Tensor]

#: Standard deviation of the initial weights of a category, times √n: a random code over n units,
#: which together distinguish two categories by some nats. Weights as small as those of other units
#: would take tens of epochs to grow, since a one-hot unit varies little; larger ones keep the
#: chains from mixing.
CODE_SCALE = 8.0
#: The number of persistent chains, which are stored with the weights so training can be resumed.
N_CHAINS = 128
#: The probability that a persistent chain restarts at random in each sweep, so that spurious modes
#: on the way from a random start are unlearned, too. Otherwise chains that start at random stay in
#: a grey state.
RESTART_PROBABILITY = 0.01
#: The rate at which, at each step, offsets move towards the means of hidden units.
OFFSET_RATE = 0.03
#: The number of Gibbs sweeps from mean field to a draw of the hidden units given data.
POSTERIOR_SWEEPS = 2
#: The number of mean-field updates of the groups that depend on each other.
MEAN_FIELD_SWEEPS = 10


class BoltzmannMachine(nn.Module):
    r"""Units on two sides, *even* and *odd*, with weights only between the sides.

    .. math:: E(x) = -\sum_a b_a\cdot x_a - \sum_{(a,b)} (x_a-o_a)^\top W_{ab}\,(x_b-o_b),
              \qquad p(x) = e^{-E(x)} / Z

    An RBM is such a machine: its visible units are even and its hidden units odd. So is a deep
    Boltzmann machine, with its even and odd layers. Given one side, the units of the other are
    independent. Units are binary; a categorical group of the even side is one-hot, a single softmax
    unit. The offsets o are the means of the data and of the hidden units (½ at first). They do not
    change which distributions can be represented, but how the machine learns: without them, a
    weight's gradient is dominated by those of the two biases. Montavon & Müller, *Deep Boltzmann
    Machines and the Centering Trick*, 2012, https://doi.org/10.1007/978-3-642-35289-8_33.

    Args:
        even: the number of units of each group of the even side, by name.
        odd: the same for the odd side.
        edges: the pairs of an even and an odd group that are connected.
        categorical: the names of the even groups that are one-hot.

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
                f"{a} - {b}": (CODE_SCALE / sizes[b] ** 0.5 if a in self.categorical else 0.01)
                * torch.randn(sizes[a], sizes[b])
                for a, b in self.edges
            }
        )
        for name, n in sizes.items():
            self.register_buffer(f"offset {name}", torch.full((n,), 0.5))
        self.register_buffer("centred", torch.tensor(False))
        start = [self.draw(name, torch.zeros(N_CHAINS, n)) for name, n in self.even.items()]
        self.register_buffer("chains", torch.cat(start, -1).bool())

    def weight(self, a: str, b: str) -> Tensor:
        """Return W_ab, ``(units of a, units of b)``."""
        matrix: Tensor = self.weights[f"{a} - {b}"]
        return matrix

    def offset(self, name: str) -> Tensor:
        """Return a group's offsets, the values subtracted from its units, ``(units,)``."""
        values: Tensor = self.get_buffer(f"offset {name}")
        return values

    @torch.no_grad()
    def initialise_from(self, data: State) -> None:
        """Set the visible offsets and biases from the means of the first batch of data, once."""
        if self.centred or not len(next(iter(data.values()))):
            return
        for name, x in data.items():
            mean = (x.sum(0) + 0.1) / (len(x) + 1)
            self.offset(name).copy_(mean)
            self.biases[name].copy_(mean.log() if name in self.categorical else mean.logit())
        self.centred.fill_(True)

    @torch.no_grad()
    def update_offsets(self, means: State) -> None:
        r"""Move the offsets of hidden groups towards their means without changing p(x).

        .. math:: o_b \leftarrow o_b + \delta_b, \qquad b_a \leftarrow b_a + W_{ab}\,\delta_b

        Melchior et al. 2016, https://www.jmlr.org/papers/v17/14-237.html.

        Args:
            means: means of hidden groups given a batch of data, ``(B, units)``; an empty batch has
                no effect.
        """
        if not len(next(iter(means.values()))):
            return
        deltas = {n: OFFSET_RATE * (x.mean(0) - self.offset(n)) for n, x in means.items()}
        for a, b in self.edges:
            if b in deltas:
                self.biases[a].add_(self.weight(a, b) @ deltas[b])
            if a in deltas:
                self.biases[b].add_(deltas[a] @ self.weight(a, b))
        for name, delta in deltas.items():
            self.offset(name).add_(delta)

    def inputs(self, name: str, state: State) -> Tensor:
        """Sum the inputs of a group from those of its neighbours that are in the state."""
        total = torch.zeros(())
        for a, b in self.edges:
            if b == name and a in state:
                total = total + (state[a] - self.offset(a)) @ self.weight(a, b)
            elif a == name and b in state:
                total = total + (state[b] - self.offset(b)) @ self.weight(a, b).T
        return total

    def field(self, name: str, state: State) -> Tensor:
        """Compute a group's logits given its neighbours: bias plus inputs, ``(..., units)``."""
        logits: Tensor = self.biases[name] + self.inputs(name, state)
        return logits

    def mean(self, name: str, field: Tensor) -> Tensor:
        """Compute the probabilities of a group's units from their logits."""
        return field.softmax(-1) if name in self.categorical else field.sigmoid()

    def draw(self, name: str, field: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a group's units from their logits: 0 or 1, or one-hot for a categorical group."""
        u = torch.rand(field.shape, generator=generator)
        if name in self.categorical:  # the Gumbel-max trick
            best = (field - (-u.log()).log()).argmax(-1)
            return functional.one_hot(best, field.shape[-1]).to(field.dtype)
        return (u < field.sigmoid()).to(field.dtype)

    def draw_groups(
        self, names: Iterable[str], state: State, generator: torch.Generator | None = None
    ) -> State:
        """Draw the groups of one side given the other."""
        return {name: self.draw(name, self.field(name, state), generator) for name in names}

    def energy(self, state: State) -> Tensor:
        """Compute the energy of the groups in the state, ignoring all others, ``(...)``."""
        total = torch.zeros(())
        for name, x in state.items():
            total = total - x @ self.biases[name]
        for a, b in self.edges:
            if a in state and b in state:
                x, y = state[a] - self.offset(a), state[b] - self.offset(b)
                total = total - (x @ self.weight(a, b) * y).sum(-1)
        return total

    def free_energy(self, even: State) -> Tensor:
        r"""Compute F with p(even) = exp(−F) / Z, where the odd side is summed out, ``(...)``.

        .. math:: F(x) = E(x, 0) - \sum_b\sum_j\log\big(1+e^{(b_b + (x-o)^\top W)_j}\big)
        """
        fields = {name: self.field(name, even) for name in self.odd}
        summed_out = [functional.softplus(field).sum(-1) for field in fields.values()]
        return self.energy_with_odd_off(even, fields) - torch.stack(summed_out).sum(0)

    def energy_with_odd_off(self, even: State, fields: State) -> Tensor:
        """Compute E with the odd side set to 0, using the odd side's fields, ``(...)``."""
        total = torch.zeros(())
        for name, x in even.items():
            total = total - x @ self.biases[name]
        for name, field in fields.items():
            total = total + (field - self.biases[name]) @ self.offset(name)
        return total

    def mean_field(self, visible: State, sweeps: int = MEAN_FIELD_SWEEPS) -> State:
        """Compute the means of a factorial q of all other groups; return those of all groups.

        If only the odd side is hidden, q is the exact posterior. Gradients pass through the sweeps.

        Args:
            visible: the values of some even groups.
            sweeps: the number of updates of the hidden even groups, if there are any.
        """
        hidden_even = [name for name in self.even if name not in visible]
        from_visible = {name: self.field(name, visible) for name in (*hidden_even, *self.odd)}
        even = {name: self.mean(name, from_visible[name]) for name in hidden_even}
        odd: State = {}
        for _ in range(sweeps if hidden_even else 1):
            odd = {n: (from_visible[n] + self.inputs(n, even)).sigmoid() for n in self.odd}
            even = {n: self.mean(n, from_visible[n] + self.inputs(n, odd)) for n in hidden_even}
        return visible | even | odd

    @torch.no_grad()
    def draw_posterior(
        self, visible: State, start: State, generator: torch.Generator | None = None
    ) -> State:
        """Draw the hidden even side given the data.

        For the odd side, means are returned instead of draws, to reduce the variance.
        Mean-field means alone would ignore the correlations of hidden units, which the persistent
        chains exhibit. Training would then unlearn these correlations, and the weights between
        hidden layers would decay.

        Args:
            visible: the data.
            start: means of all groups, from which the chains start.
            generator: the source of randomness.
        """
        hidden_even = [name for name in self.even if name not in visible]
        hidden = {name: torch.bernoulli(start[name], generator=generator) for name in hidden_even}
        for _ in range(POSTERIOR_SWEEPS):
            odd = self.draw_groups(self.odd, visible | hidden, generator)
            hidden = self.draw_groups(hidden_even, odd, generator)
        even = visible | hidden
        return even | {name: self.field(name, even).sigmoid() for name in self.odd}

    def bound(self, visible: State) -> Tensor:
        r"""Compute the mean-field bound on log p(v) + log Z; exact if only the odd side is hidden.

        .. math:: E_q[-E(v,h)] + H(q) \le \log p(v) + \log Z
        """
        with torch.no_grad():
            state = self.mean_field(visible)
        hidden = [q for name, q in state.items() if name not in visible]
        return bernoulli_entropy(hidden) - self.energy(state)

    @torch.no_grad()
    def gibbs(
        self,
        evidence: State,
        given: Mapping[str, Tensor],
        start: State,
        steps: int,
        generator: torch.Generator | None = None,
    ) -> State:
        """Run Gibbs chains with the evidence clamped.

        Args:
            evidence: values of some even groups, ``(B, units)`` or ``(N, B, units)``.
            given: for each of these groups, which samples have this evidence, bool ``(B, 1)``.
            start: the even groups' first states, ``(N, B, units)``: N chains for each of B samples.
            steps: how many times both sides are drawn.
            generator: the source of randomness.

        Returns:
            State: the last state, all groups ``(N, B, units)``.
        """

        def clamp(drawn: State) -> State:
            clamped = {n: torch.where(given[n], x, drawn[n]) for n, x in evidence.items()}
            return drawn | clamped

        even = clamp(start)
        odd: State = {}
        for _ in range(steps):
            odd = self.draw_groups(self.odd, even, generator)
            even = clamp(self.draw_groups(self.even, odd, generator))
        return even | odd

    @torch.no_grad()
    def draw_persistent(
        self,
        evidence: State,
        given: Mapping[str, Tensor],
        shape: tuple[int, int],
        generator: torch.Generator | None,
    ) -> State:
        """Draw persistent chains in proportion to p(evidence|odd side), ``(N, B, units)`` each.

        Chains that start at random units may need thousands of sweeps to reach a mode.

        Args:
            evidence: as for `gibbs`.
            given: as for `gibbs`.
            shape: (N, B).
            generator: the source of randomness.
        """
        chains = self.chain_states()
        odd = self.draw_groups(self.odd, chains, generator)
        log_p = torch.zeros(*shape, N_CHAINS)
        for name, x in evidence.items():
            field = self.field(name, odd)  # (C, units)
            log_z = (
                field.logsumexp(-1)
                if name in self.categorical
                else functional.softplus(field).sum(-1)
            )
            log_p = log_p + torch.where(given[name], x @ field.T - log_z, 0.0)
        rows = torch.multinomial(log_p.softmax(-1).flatten(0, 1), 1, generator=generator)
        return {name: x[rows.view(shape)] for name, x in chains.items()}

    @torch.no_grad()
    def advance_chains(self, generator: torch.Generator | None = None) -> State:
        """Advance the persistent chains by one Gibbs sweep; a few restart at random.

        For the odd side, means are returned instead of draws, to reduce the variance.
        """
        restart = torch.rand(N_CHAINS, 1, generator=generator) < RESTART_PROBABILITY
        even = {
            name: torch.where(restart, self.draw(name, torch.zeros_like(x), generator), x)
            for name, x in self.chain_states().items()
        }
        even = self.draw_groups(self.even, self.draw_groups(self.odd, even, generator), generator)
        self.chains.copy_(torch.cat(list(even.values()), -1))
        return even | {name: self.field(name, even).sigmoid() for name in self.odd}

    def independent_biases(self) -> State:
        """Return biases with which independent even units are on as often as in the chains."""
        biases = {}
        for name, x in self.chain_states().items():
            # Laplace smoothing: one more observation of each value.
            p = (x.sum(0) + 1) / (len(x) + (x.shape[-1] if name in self.categorical else 2))
            biases[name] = p.log() if name in self.categorical else p.logit()
        return biases

    def chain_states(self) -> State:
        """Return the even side of the persistent chains, ``(N_CHAINS, units)`` each."""
        states = self.chains.to(self.biases[next(iter(self.even))].dtype)
        return dict(zip(self.even, states.split(list(self.even.values()), -1), strict=True))

    def contrastive_loss(self, data: State, model: State) -> Tensor:
        r"""Compute a loss whose gradient estimates that of −log p(v), with the states held fixed.

        .. math:: \frac1B\sum_b E(x_b) - \frac1C\sum_c E(\tilde x_c), \qquad
                  x_b \sim p(h|v_b), \quad \tilde x_c \sim p(x)

        If x̃ are persistent chains, this is persistent contrastive divergence: Tieleman 2008,
        https://doi.org/10.1145/1390156.1390290.
        """
        difference = self.energy(data) - self.energy(model).mean()
        # Without any complete sample the sum is empty and the loss is 0.
        return difference.sum() / max(len(difference), 1)


def bernoulli_entropy(groups: Iterable[Tensor]) -> Tensor:
    """Sum the entropies of independent binary units with the given probabilities, ``(...)``."""
    return sum(
        (-(torch.xlogy(q, q) + torch.xlogy(1 - q, 1 - q)).sum(-1) for q in groups),
        start=torch.zeros(()),
    )
