"""DeepSurv (Katzman et al., BMC Med Res Methodol 18, 2018) by pycox, on features and clinical columns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.models.breslow import Baseline
from survbench.models.design import Design
from survbench.models.engine import seeded
from torch import nn

INNER_SHARE = 5
"""A fifth of the training fold, events and censored apart, tells when to stop."""
PATIENCE = 50


class DeepSurv:
    """Drops redundant features, then trains a small network with the Cox loss on the others and the clinical columns.

    The paper does not give its settings. These are ours: one hidden layer of SELU neurons with dropout, Adam with
    weight decay, full batches, stopped early on an inner part of the training fold.

    Args:
        redundancy: largest ``|Spearman's rho|`` that two features may have; clinical columns are exempt.
        neurons: of the hidden layer.
        dropout: before the output.
        weight_decay: of Adam.
        learning_rate: of Adam.
        epochs: at most.
    """

    def __init__(
        self,
        *,
        redundancy: float = 0.7,
        neurons: int = 32,
        dropout: float = 0.3,
        weight_decay: float = 1e-2,
        learning_rate: float = 1e-3,
        epochs: int = 500,
    ) -> None:
        self.redundancy = redundancy
        self.neurons = neurons
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.learning_rate = learning_rate
        self.epochs = epochs
        self._fitted: tuple[Design, nn.Sequential, Baseline] | None = None

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and train, on the training fold alone."""
        import torchtuples as tt

        with _data_folder(ctx.scratch):
            from pycox.models import CoxPH

        design = Design.fit(train, redundancy=self.redundancy)
        matrix = design.matrix(train).astype(np.float32)
        outcomes = train.time.astype(np.float32), train.event.astype(np.float32)
        inner = _inner(train.event)
        with seeded(ctx.seeds.of("init"), torch.device("cpu")):
            network = self._network(matrix.shape[1])
            optimizer = tt.optim.Adam(lr=self.learning_rate, weight_decay=self.weight_decay)
            model = CoxPH(network, optimizer, device="cpu")
            stopping = tt.callbacks.EarlyStopping(patience=PATIENCE, file_path=str(ctx.scratch / "deepsurv.pt"))
            model.fit(
                matrix[~inner],
                (outcomes[0][~inner], outcomes[1][~inner]),
                batch_size=int((~inner).sum()),
                epochs=self.epochs,
                callbacks=[stopping],
                val_data=(matrix[inner], (outcomes[0][inner], outcomes[1][inner])),
                val_batch_size=int(inner.sum()),
                verbose=False,
                shuffle=False,
            )
        risk = _risk(network, matrix)
        self._fitted = design, network, Baseline.fit(train.time, train.event, risk)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the network's output, shape (n,)."""
        design, network, _ = self._require()
        return _risk(network, design.matrix(cohort).astype(np.float32))

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months) by Breslow's baseline, shape (n, len(times))."""
        _, _, baseline = self._require()
        return baseline.survival(self.predict_risk(cohort), times)

    def save(self, folder: Path) -> None:
        """Write ``model.json`` (design and baseline) and ``network.safetensors``."""
        from safetensors.torch import save_file

        design, network, baseline = self._require()
        save_file(network.state_dict(), folder / "network.safetensors")
        content = {"design": design.to_json(), "baseline": baseline.to_json()}
        (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote."""
        from safetensors.torch import load_file

        raw: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        design = Design.from_json(raw["design"])
        with torch.random.fork_rng(devices=[]):
            network = self._network(len(design.columns))
        network.load_state_dict(load_file(folder / "network.safetensors"))
        self._fitted = design, network, Baseline.from_json(raw["baseline"])
        return self

    def _network(self, inputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(inputs, self.neurons),
            nn.SELU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.neurons, 1, bias=False),  # a constant cancels in the partial likelihood
        )

    def _require(self) -> tuple[Design, nn.Sequential, Baseline]:
        if self._fitted is None:
            raise NotFittedError("DeepSurv predicts after 'fit' or 'load'")
        return self._fitted


@contextmanager
def _data_folder(folder: Path) -> Iterator[None]:
    """Let pycox make the folder for its own data sets, which it makes on import, in ``folder``."""
    name = "PYCOX_DATA_DIR"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _inner(event: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which patients (in the order of their ids) tell when to stop: at least one event among them."""
    inner = np.zeros(len(event), dtype=bool)
    for rows in (np.flatnonzero(event), np.flatnonzero(~event)):
        inner[rows[::INNER_SHARE]] = True
    return inner


@torch.inference_mode()
def _risk(network: nn.Sequential, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    network.eval()
    risk: NDArray[np.float64] = network(torch.from_numpy(matrix)).squeeze(1).double().numpy()
    return risk
