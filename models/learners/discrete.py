"""Small networks on a table that predict the interval of the event: neural MTLR, DeepHit and Nnet-survival."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.models.engine.seeding import seeded
from survbench.models.events import require_events
from survbench.models.learners.design import Design
from survbench.models.learners.table_learner import Columns, TableLearner
from survbench.models.learners.time_edges import time_edges
from torch import Tensor, nn

SMALLEST = 1e-7
"""Probabilities are clipped to it before their logarithm is taken."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    design: Design
    network: nn.Sequential
    edges: NDArray[np.float64]


class DiscreteNetwork(TableLearner):
    """Drops redundant features, then trains a network whose outputs belong to the K intervals of time and the open one.

    The K edges are quantiles of the training fold's event times, the square root of the number of events of them, as
    in the MTLR of the RADCURE challenge. Training runs for a fixed number of epochs, with Adam and mini-batches.
    Subclasses give the likelihood and how outputs become survival.

    Args:
        layers: hidden layers; each is dense, then ELU, then dropout.
        neurons: of each hidden layer.
        dropout: share of a hidden layer's outputs that a training step leaves out.
        learning_rate: of Adam.
        weight_decay: L2 penalty of the hidden layers' weights, as Adam adds it to the gradient; biases have none.
        epochs: passes over the training fold.
        batch: patients of a step.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    NAME: ClassVar[str]
    LAST_DECAY: ClassVar[float] = 0.0
    """L2 penalty of the last layer's weights."""

    def __init__(
        self,
        *,
        layers: int = 1,
        neurons: int = 32,
        dropout: float = 0.444,
        learning_rate: float = 0.008,
        weight_decay: float = 1.2e-5,
        epochs: int = 100,
        batch: int = 256,
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.layers = layers
        self.neurons = neurons
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch = batch
        self._fitted: _Fitted | None = None

    def loss(self, outputs: Tensor, interval: Tensor, event: Tensor, survived: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            outputs: of the network, shape (n, K).
            interval: of the event or of censoring, 0 to K, shape (n,); K is the open interval after the last edge.
            event: boolean, shape (n,).
            survived: how many intervals a patient is counted as having survived, shape (n,): a censored patient counts
                from the middle of an interval on.
        """
        raise NotImplementedError

    def survival(self, outputs: Tensor) -> Tensor:
        """Return survival at the K edges, shape (n, K)."""
        raise NotImplementedError

    def risk(self, survival: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one risk from survival at the edges: minus its mean. As edges are quantiles of the event times, each
        stretch of the curve counts as much as it has events.
        """
        return np.asarray(-survival.mean(axis=1), dtype=np.float64)

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and train, on the training fold alone."""
        require_events(train, what=self.NAME)
        design = self._design(train)
        edges = time_edges(train.time, train.event)
        values = torch.from_numpy(design.matrix(train).astype(np.float32))
        targets = _targets(train.time, train.event, edges)
        with seeded(ctx.seeds.of("init"), torch.device("cpu")):
            network = self._network(values.shape[1], len(edges))
            adam = torch.optim.Adam(self._groups(network), lr=self.learning_rate)
            for _ in range(self.epochs):
                ctx.check_deadline()
                for rows in torch.split(torch.randperm(len(values)), self.batch):
                    interval, happened, survived = (target[rows] for target in targets)
                    loss = self.loss(network(values[rows]), interval, happened, survived)
                    adam.zero_grad()
                    torch.autograd.backward(loss)
                    adam.step()
        self._fitted = _Fitted(design, network.eval(), edges)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the risk, shape (n,); see :meth:`risk`."""
        return self.risk(self._at_edges(cohort))

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times)): linear between edges, level after the last."""
        edges = np.concatenate([[0.0], self._require().edges])
        rows = [np.interp(times, edges, np.concatenate([[1.0], row])) for row in self._at_edges(cohort)]
        return np.array(rows, dtype=np.float64).reshape(len(cohort), len(times))

    def save(self, folder: Path) -> None:
        """Write ``model.json`` (design, edges) and ``network.safetensors``."""
        from safetensors.torch import save_file

        fitted = self._require()
        save_file(fitted.network.state_dict(), folder / "network.safetensors")
        content = {"design": fitted.design.to_json(), "edges": fitted.edges.tolist()}
        (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote."""
        from safetensors.torch import load_file

        raw: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        design, edges = Design.from_json(raw["design"]), np.array(raw["edges"], dtype=np.float64)
        with torch.random.fork_rng(devices=[]):
            network = self._network(len(design.columns), len(edges))
        network.load_state_dict(load_file(folder / "network.safetensors"))
        self._fitted = _Fitted(design, network.eval(), edges)
        return self

    def _network(self, inputs: int, outputs: int) -> nn.Sequential:
        hidden: list[nn.Module] = []
        widths = [inputs, *[self.neurons] * self.layers]
        for before, after in pairwise(widths):
            hidden += [nn.Linear(before, after), nn.ELU(), nn.Dropout(self.dropout)]
        last = nn.Linear(widths[-1], outputs)
        nn.init.xavier_normal_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(*hidden, last)

    def _groups(self, network: nn.Sequential) -> list[dict[str, Any]]:
        """Return the parameters with their weight decay, as Adam takes them."""
        *hidden, last = (layer for layer in network if isinstance(layer, nn.Linear))
        return [
            {"params": [layer.weight for layer in hidden], "weight_decay": self.weight_decay},
            {"params": [last.weight], "weight_decay": self.LAST_DECAY},
            {"params": [layer.bias for layer in (*hidden, last)], "weight_decay": 0.0},
        ]

    @torch.inference_mode()
    def _at_edges(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        fitted = self._require()
        values = torch.from_numpy(fitted.design.matrix(cohort).astype(np.float32))
        survival: NDArray[np.float64] = self.survival(fitted.network(values).double()).numpy()
        return survival

    def _require(self) -> _Fitted:
        if self._fitted is None:
            raise NotFittedError(f"{type(self).__name__} predicts after 'fit' or 'load'")
        return self._fitted


class MTLR(DiscreteNetwork):
    """Neural multi-task logistic regression (Yu et al., NIPS 2011; Fotso, arXiv 1801.05512).

    The defaults are those of the model that won the RADCURE challenge: one hidden layer of 32, dropout 0.444, learning
    rate 0.008, 100 epochs, and a weight decay of 0.01 on the last layer. Its risk is the sum over the edges of the
    cumulative hazard.
    """

    NAME = "MTLR"
    LAST_DECAY = 0.01

    def loss(self, outputs: Tensor, interval: Tensor, event: Tensor, survived: Tensor) -> Tensor:  # noqa: ARG002
        """Return the mean of :func:`interval_losses`."""
        return interval_losses(interval_scores(outputs), interval, event).mean()

    def survival(self, outputs: Tensor) -> Tensor:
        """Return the probability of an event in a later interval, at each edge."""
        return _later(torch.softmax(interval_scores(outputs), dim=1))

    def risk(self, survival: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over the edges of the cumulative hazard; the hazard of an interval is its probability over
        that of all later ones.
        """
        before = np.hstack([np.ones((len(survival), 1)), survival[:, :-1]])
        hazard = (before - survival) / np.maximum(survival, SMALLEST)
        return np.asarray(hazard.cumsum(axis=1).sum(axis=1), dtype=np.float64)


class DeepHit(DiscreteNetwork):
    """DeepHit for one event (Lee et al., AAAI 2018): likelihood, and a loss for pairs in the wrong order.

    As in pycox, the likelihood counts a fifth and the ranking loss the rest, and a censored patient has the event in
    the interval of censoring or later. The publication has intervals of a month; in ours, which are wider, the interval
    of censoring cannot be left out.
    """

    NAME = "DeepHit"
    ALPHA, SIGMA = 0.2, 0.1

    def loss(self, outputs: Tensor, interval: Tensor, event: Tensor, survived: Tensor) -> Tensor:  # noqa: ARG002
        """Return ``alpha`` x negative log likelihood + (1 - ``alpha``) x :func:`ranking_loss`."""
        scores = nn.functional.pad(outputs, (0, 1))
        likelihood = interval_losses(scores, interval, event).mean()
        return self.ALPHA * likelihood + (1 - self.ALPHA) * ranking_loss(scores, interval, event, sigma=self.SIGMA)

    def survival(self, outputs: Tensor) -> Tensor:
        """Return the probability of an event in a later interval, at each edge."""
        return _later(torch.softmax(nn.functional.pad(outputs, (0, 1)), dim=1))


class NnetSurvival(DiscreteNetwork):
    """Nnet-survival (Gensheimer and Narasimhan, PeerJ 7, 2019): a network for the hazard of each interval."""

    NAME = "Nnet-survival"

    def loss(self, outputs: Tensor, interval: Tensor, event: Tensor, survived: Tensor) -> Tensor:
        """Return the mean over patients of the negative log likelihood of the intervals that were seen."""
        number = torch.arange(outputs.shape[1])
        lived = number[None] < survived[:, None]
        died = event[:, None] & (number[None] == interval[:, None])
        terms = nn.functional.softplus(outputs) * lived + nn.functional.softplus(-outputs) * died
        return terms.sum(dim=1).mean()

    def survival(self, outputs: Tensor) -> Tensor:
        """Return the product of one minus the hazards, at each edge."""
        return torch.cumprod(torch.sigmoid(-outputs), dim=1)


def interval_losses(scores: Tensor, interval: Tensor, event: Tensor) -> Tensor:
    """Return the negative log likelihood of each patient, shape (n,), if softmax gives the probability of an interval.

    A censored patient has the event in the interval of censoring or later (MTLR: Yu et al., NIPS 2011).

    Args:
        scores: of the K intervals and the open one, shape (n, K + 1).
        interval: of the event or of censoring, 0 to K, shape (n,).
        event: boolean, shape (n,).
    """
    whole = torch.logsumexp(scores, dim=1)
    own = scores.gather(1, interval[:, None]).squeeze(1)
    passed = torch.arange(scores.shape[1])[None] < interval[:, None]
    possible = torch.logsumexp(scores.masked_fill(passed, -torch.inf), dim=1)
    return whole - torch.where(event, own, possible)


def ranking_loss(scores: Tensor, interval: Tensor, event: Tensor, *, sigma: float) -> Tensor:
    """Return DeepHit's ranking loss, a scalar: the mean over all pairs of ``exp(-(F_i(t_i) - F_j(t_i)) / sigma)``.

    F is the probability of an event by the end of an interval. A pair counts if i has the event in an earlier interval
    than that of j's event or censoring, and else adds 0.

    Args:
        scores: of the K intervals and the open one, shape (n, K + 1); softmax gives the probabilities.
        interval: of the event or of censoring, 0 to K, shape (n,).
        event: boolean, shape (n,).
        sigma: the smaller, the more a pair in the wrong order costs.
    """
    by_then = torch.softmax(scores, dim=1).cumsum(dim=1)[:, interval].T  # row i: everybody in the interval of i
    comparable = event[:, None] & (interval[:, None] < interval[None])
    return (torch.exp((by_then - by_then.diagonal()[:, None]) / sigma) * comparable).mean()


def interval_scores(outputs: Tensor) -> Tensor:
    """Return the scores of the K intervals and the open one, shape (n, K + 1): the sum of the outputs from an interval
    on, and 0. Their softmax are the probabilities of the intervals.
    """
    return nn.functional.pad(outputs.flip(1).cumsum(1).flip(1), (0, 1))


def _later(probability: Tensor) -> Tensor:
    """Return the probability of all later intervals, at the K edges between K + 1 intervals."""
    return probability.flip(1).cumsum(1).flip(1)[:, 1:]


def _targets(
    time: NDArray[np.float64], event: NDArray[np.bool_], edges: NDArray[np.float64]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the interval, the event and the number of survived intervals of each patient; a time on an edge belongs
    to the later interval.
    """
    interval = np.searchsorted(edges, time, side="right")
    middles = (np.concatenate([[0.0], edges[:-1]]) + edges) / 2
    survived = np.where(event, interval, np.searchsorted(middles, time, side="right"))
    return torch.from_numpy(interval), torch.tensor(event.tolist()), torch.from_numpy(survived)
