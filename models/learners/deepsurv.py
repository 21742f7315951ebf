"""DeepSurv (Katzman et al., BMC Med Res Methodol 18, 2018) on features and clinical columns, with pycox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any, Literal, Self, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.errors import UnknownNameError
from survbench.models.engine.seeding import seeded
from survbench.models.events import require_events
from survbench.models.learners.design import Design
from survbench.models.learners.pycox_data import pycox_data_in
from survbench.models.learners.selection_folds import dealt
from survbench.models.learners.table_learner import Columns, TableLearner
from survbench.statistics.baseline_hazard import Baseline
from torch import nn

INNER_SHARE = 5
"""A fifth of the patients with an event, and of those without, determines when to stop."""
SMALL = 40
"""Number of events up to which a training fold is small and gets the smallest budget's decay, epochs and patience."""
LONGEST = 5
"""Largest factor of epochs and patience: the time of a fit grows with patients times epochs."""
Activation = Literal["selu", "relu", "sigmoid"]
ACTIVATIONS: dict[Activation, type[nn.Module]] = {"selu": nn.SELU, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a network trains and how strongly its weights are regularised; arguments of :class:`DeepSurv`."""

    weight_decay: float
    epochs: int
    patience: int

    @classmethod
    def of_size(cls, events: int) -> Self:
        """Return the default for a training fold with this many events (including the inner validation part).

        With ``size = max(1, events / 40)``, weight decay is ``0.01 / size``, epochs are ``500 * min(5, sqrt(size))``,
        and patience is a tenth of the epochs. The rule uses events, not patients, because the Cox loss is a mean over
        events:

        - A Gaussian prior of fixed width on the weights adds a penalty to this mean that falls with 1 / events.
        - The smallest detectable effect falls with the square root of the number of events, and a smaller effect takes
          more steps to learn. The factor is at most 5 (1,000 events), because time grows with patients times epochs.
        - Patience grows with the epochs: the loss of the inner part can stay level for hundreds of epochs before a
          network learns a nonlinear effect.

        See docs/explanation/feature-models.md for measurements.
        """
        size = max(1.0, events / SMALL)
        factor = min(LONGEST, sqrt(size))
        return cls(weight_decay=1e-2 / size, epochs=round(500 * factor), patience=round(50 * factor))


@dataclass(frozen=True, slots=True)
class _Fitted:
    """The result of a fit; ``weights`` are by column, see :meth:`DeepSurv.selected`."""

    design: Design
    network: nn.Sequential
    baseline: Baseline
    weights: Mapping[str, float]


class DeepSurv(TableLearner):
    """Drop redundant features, then train a small network with the Cox loss on the others and the clinical columns.

    The publication of DeepMTS does not give DeepSurv's settings. The defaults are ours: one hidden layer of SELU
    neurons with dropout, Adam with weight decay, full batches, and early stopping on an inner part of the training
    fold. If weight decay, epochs or patience are None, they follow the number of events by :meth:`Budget.of_size`.

    Args:
        layers: hidden layers; each is dense, then its activation, then dropout.
        neurons: of each hidden layer.
        activation: ``selu``, ``relu`` or ``sigmoid``.
        dropout: share of a hidden layer's outputs that a training step leaves out.
        weight_decay: L2 penalty of all weights, as Adam adds it to the gradient; None for the rule.
        learning_rate: of Adam.
        epochs: at most; one step each, on all training patients at once; None for the rule.
        patience: epochs without a lower loss of the inner part after which training ends; the best weights are kept;
            None for the rule.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self,
        *,
        layers: int = 1,
        neurons: int = 32,
        activation: Activation = "selu",
        dropout: float = 0.3,
        weight_decay: float | None = None,
        learning_rate: float = 1e-3,
        epochs: int | None = None,
        patience: int | None = None,
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.layers = layers
        self.neurons = neurons
        self.activation = activation
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.patience = patience
        self._budget: Budget | None = None
        self._fitted: _Fitted | None = None

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and train, using only the training fold."""
        import torchtuples as tt

        with pycox_data_in(ctx.scratch):
            from pycox.models import CoxPH

        require_events(train, what="a network with inner validation patients")
        design = self._design(train)
        matrix = design.matrix(train).astype(np.float32)
        outcomes = train.time.astype(np.float32), train.event.astype(np.float32)
        inner = dealt(train.event, [s.patient for s in train.subjects], folds=INNER_SHARE) == 0
        budget = self._budget = self._budget_for(int(train.event.sum()))
        with seeded(ctx.seeds.of("init"), torch.device("cpu")):
            network = self._network(matrix.shape[1])
            optimizer = tt.optim.Adam(lr=self.learning_rate, weight_decay=budget.weight_decay)
            model = CoxPH(network, optimizer, device="cpu")
            stopping = tt.callbacks.EarlyStopping(patience=budget.patience, file_path=str(ctx.scratch / "deepsurv.pt"))
            model.fit(
                matrix[~inner],
                (outcomes[0][~inner], outcomes[1][~inner]),
                batch_size=int((~inner).sum()),
                epochs=budget.epochs,
                callbacks=[stopping],
                val_data=(matrix[inner], (outcomes[0][inner], outcomes[1][inner])),
                val_batch_size=int(inner.sum()),
                verbose=False,
                shuffle=False,
            )
        baseline = Baseline.fit(train.time, train.event, _risk(network, matrix))
        weights = dict(zip(design.columns, _effects(network, matrix), strict=True))
        self._fitted = _Fitted(design, network, baseline, weights)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the network's output, shape (n,)."""
        fitted = self._require()
        return _risk(fitted.network, fitted.design.matrix(cohort).astype(np.float32))

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months) with Breslow's baseline hazard, shape (n, len(times))."""
        return self._require().baseline.survival(self.predict_risk(cohort), times)

    def selected(self) -> Mapping[str, float]:
        """Return how strongly the risk depends on each remaining column, by name.

        The value is the mean over training patients of ``|d risk / d column|`` times the column's standard deviation,
        with the sign of the mean gradient. For a network without hidden layers it is the Cox coefficient of the
        standardised column.
        """
        return self._require().weights

    def resolved(self) -> Mapping[str, float | int]:
        """Return the weight decay, epochs and patience used by :meth:`fit`."""
        if self._budget is None:
            raise NotFittedError("DeepSurv has a weight decay, epochs and patience only after 'fit'")
        return asdict(self._budget)

    def save(self, folder: Path) -> None:
        """Write ``model.json`` (design, baseline, weights of the columns) and ``network.safetensors``."""
        from safetensors.torch import save_file

        fitted = self._require()
        save_file(fitted.network.state_dict(), folder / "network.safetensors")
        content = {
            "design": fitted.design.to_json(),
            "baseline": fitted.baseline.to_json(),
            "weights": dict(fitted.weights),
        }
        (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore the files written by :meth:`save`."""
        from safetensors.torch import load_file

        raw: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        design = Design.from_json(raw["design"])
        with torch.random.fork_rng(devices=[]):
            network = self._network(len(design.columns))
        network.load_state_dict(load_file(folder / "network.safetensors"))
        self._fitted = _Fitted(design, network, Baseline.from_json(raw["baseline"]), raw["weights"])
        return self

    def _budget_for(self, events: int) -> Budget:
        rule = Budget.of_size(events)
        return Budget(
            weight_decay=rule.weight_decay if self.weight_decay is None else self.weight_decay,
            epochs=rule.epochs if self.epochs is None else self.epochs,
            patience=rule.patience if self.patience is None else self.patience,
        )

    def _network(self, inputs: int) -> nn.Sequential:
        if self.activation not in ACTIVATIONS:
            raise UnknownNameError("activation", self.activation, ACTIVATIONS, see="the method's page")
        widths = [inputs, *[self.neurons] * self.layers]
        hidden: list[nn.Module] = []
        for before, after in pairwise(widths):
            hidden += [nn.Linear(before, after), ACTIVATIONS[self.activation](), nn.Dropout(self.dropout)]
        # no bias, because a constant cancels in the partial likelihood
        return nn.Sequential(*hidden, nn.Linear(widths[-1], 1, bias=False))

    def _require(self) -> _Fitted:
        if self._fitted is None:
            raise NotFittedError("DeepSurv predicts only after 'fit' or 'load'")
        return self._fitted


@torch.inference_mode()
def _risk(network: nn.Sequential, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    network.eval()
    risk: NDArray[np.float64] = network(torch.from_numpy(matrix)).squeeze(1).double().numpy()
    return risk


def _effects(network: nn.Sequential, matrix: NDArray[np.float32]) -> list[float]:
    """Return the signed effect of each column on the risk; see :meth:`DeepSurv.selected`."""
    network.eval()
    inputs = torch.from_numpy(matrix).requires_grad_()
    # a patient's risk depends only on its own row, so the gradient of the sum contains each patient's gradient
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs)
    by_patient = gradient.double().numpy()
    effect = np.sign(by_patient.mean(axis=0)) * np.abs(by_patient).mean(axis=0) * matrix.std(axis=0, dtype=np.float64)
    return [float(value) for value in effect]
