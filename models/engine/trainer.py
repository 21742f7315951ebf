"""Train a network on a cohort in memory: schedule, balanced batches, augmentation, selection, resuming.

The random decisions of step k come from generators seeded by the decision's axis and k, so a step needs no history of
random numbers: a resumed fit continues bit for bit, and the process's global generators keep their state.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.api import Context
from survbench.errors import BenchError
from survbench.models.engine.adam import BETA2, Adam
from survbench.models.engine.checkpoint import read_checkpoint, write_checkpoint
from survbench.models.engine.checkpoint_choice import Best, score, validate
from survbench.models.engine.fold_risks import FoldRisks
from survbench.models.engine.inference import apply, exact, predict
from survbench.models.engine.losses import Objective
from survbench.models.engine.recipe import Recipe, evaluation_steps
from survbench.models.engine.sampler import balanced_rows
from survbench.models.engine.seeding import seeded
from survbench.models.engine.tensors import Inputs, Labelled, Output, joined
from torch import Tensor, nn

CHECKPOINT_SECONDS = 60.0
SAFE_SIDE = 64
BAD_GRADIENTS = 3
"""A step whose gradient is not finite does not change the weights; this many in a row end the fit."""
log = logging.getLogger(__name__)


class DivergedError(ArithmeticError):
    """The loss or the gradients of training became non-finite."""


@contextmanager
def frozen_averages(network: nn.Module) -> Iterator[None]:
    """Make batch normalisation use the batch's statistics inside the block without updating its running averages."""
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


class Trainer:
    """One fit of one network, which is on ``ctx.device`` and is changed in place."""

    def __init__(
        self,
        network: nn.Module,
        train: Labelled,
        *,
        objective: Objective,
        recipe: Recipe,
        ctx: Context,
        validation: Labelled | None = None,
        watched: Inputs | None = None,
    ) -> None:
        self.network = network
        self.train = train
        self.objective = objective
        self.recipe = recipe
        self.ctx = ctx
        self.validation = None if ctx.selection == "last" else validation
        self.watched = watched
        self.device = torch.device(ctx.device)
        self.checkpoint = ctx.scratch / "training.checkpoint"
        self.short = ctx.training.short_budget
        self.optimizer = Adam(network, BETA2 if self.short is None else self.short.adam_beta2)
        over_fold = self.short is not None and self.short.risk_set == "fold" and objective.over_fold
        survival = objective.survival if over_fold else None
        self.fold_risks = None if survival is None else FoldRisks(train, survival, self.device)
        self.step = 0
        self.bad_gradients = 0
        _refuse_unsafe_precision(ctx, train.inputs)
        self.curves: list[tuple[int, dict[str, float]]] = []
        self.best = Best()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
                module.momentum = ctx.training.batch_norm_momentum

    def run(self) -> None:
        """Train to the last step, from the checkpoint if there is one; the network ends with the selected weights.

        Raises:
            DivergedError: the loss, or several gradients in a row, were not finite.
            BenchError: no weights could be chosen on the validation patients.
            DeadlineError: the time limit was reached.
        """
        training = self.ctx.training
        evaluated = evaluation_steps(training.steps, training.evaluations) | {training.steps}
        self._resume()
        saved = time.monotonic()
        self.network.train()
        while self.step < training.steps:
            self.ctx.check_deadline()
            with exact():
                values = self._update()
            self.step += 1
            if self.step in evaluated:
                values |= self._evaluate()
            self.curves.append((self.step, values))
            self.ctx.report(self.step, values)
            if time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self._save()
                saved = time.monotonic()
        self.network.eval()
        if self.validation is not None:
            self.best.restore(self.network)

    def _update(self) -> dict[str, float]:
        """Take one step; return the losses before the step."""
        training = self.ctx.training
        rows = balanced_rows(self.train.event.numpy(), training.batch_size, self._rng("sampler"))
        batch = self._batch(rows)
        self.optimizer.gradient.zero_()
        terms = self._backward(batch, rows)
        total = torch.stack([*terms.values()]).sum()
        norm = torch.linalg.vector_norm(self.optimizer.gradient)
        if training.clip_norm is not None:
            self.optimizer.bound(norm, training.clip_norm)
        loss, gradient, *parts = torch.stack([total, norm, *terms.values()]).tolist()
        if self._is_usable(loss, gradient):
            self.optimizer.step(self.recipe.learning_rate(self.step, training))
        return {"L": loss, **dict(zip(terms, parts, strict=True))}

    def _backward(self, batch: Labelled, rows: NDArray[np.intp]) -> dict[str, Tensor]:
        """Compute the gradient of the minimised loss at the weights; return the losses of the batch, as published.

        With several parts, the network runs twice: first to get every patient's output, and from it the gradient of the
        whole batch's losses with respect to the outputs; then part by part to propagate this gradient to the weights.
        """
        count = self.ctx.training.micro_batches
        seeds = [int(seed) for seed in self._rng("dropout").integers(2**32, size=count)]
        if count == 1:
            return self._losses(self._forward(batch.inputs, seeds[0]), batch, rows)
        # every count-th row: events come before censored patients
        places = [np.arange(start, len(batch.inputs), count) for start in range(count)]
        parts = [batch.inputs.take(rows_of_part) for rows_of_part in places]
        with torch.no_grad(), frozen_averages(self.network):
            known = [self._forward(part, seed) for part, seed in zip(parts, seeds, strict=True)]
        order = torch.as_tensor(np.argsort(np.concatenate(places)), device=self.device)
        whole = joined(known).map(lambda tensor: tensor[order].requires_grad_())
        terms = self._losses(whole, batch, rows)
        for rows_of_part, part, seed in zip(places, parts, seeds, strict=True):
            output = self._forward(part, seed)
            pairs = [
                (getattr(output, f.name), leaf.grad[torch.as_tensor(rows_of_part, device=leaf.device)])
                for f in fields(whole)
                if (leaf := getattr(whole, f.name)) is not None and leaf.grad is not None
            ]
            torch.autograd.backward([tensor for tensor, _ in pairs], [gradient for _, gradient in pairs])
        return terms

    def _losses(self, output: Output, batch: Labelled, rows: NDArray[np.intp]) -> dict[str, Tensor]:
        """Compute the gradient of the minimised loss at the leaves of ``output``; return the losses of the batch."""
        terms = self.objective.terms(output, batch)
        minimised = dict(terms)
        if self.short is not None and "L_sur" in terms:
            if self.fold_risks is not None and output.risk is not None:
                minimised["L_sur"] = self.fold_risks.loss(output.risk, rows)
            minimised["L_sur"] = self.short.survival_weight * minimised["L_sur"]
        torch.stack([*minimised.values()]).sum().backward()  # type: ignore[no-untyped-call]
        return terms

    def _forward(self, inputs: Inputs, seed: int) -> Output:
        training = self.ctx.training
        low = training.precision == "bfloat16"
        with seeded(seed, self.device), torch.autocast(self.device.type, torch.bfloat16, enabled=low):
            output = apply(self.network, inputs, masked_input=self.recipe.masked_input, layout=training.memory_layout)
        return output.map(Tensor.float) if low else output

    def _batch(self, rows: NDArray[np.intp]) -> Labelled:
        inputs = self.train.inputs.take(rows).to(self.device)
        if self.recipe.augmentation is not None:
            inputs = self.recipe.augmentation(inputs, self._rng("augment"))
        time, event = self.train.time[rows].to(self.device), self.train.event[rows].to(self.device)
        return Labelled(inputs=inputs, time=time, event=event)

    def _rng(self, axis: str) -> np.random.Generator:
        return np.random.default_rng([self.ctx.seeds.of(axis), self.step])

    def _is_usable(self, loss: float, gradient: float) -> bool:
        """Return whether the gradient may be used for a step.

        A non-finite loss ends the fit at once: weights or running averages are lost, and skipping a step would not fix
        them. A gradient alone can overflow on one batch and be finite on the next.
        """
        step = self.step + 1
        if not np.isfinite(loss):
            raise DivergedError(f"the loss is {loss} at step {step}; lower {self._rate_setting} in the profile")
        if np.isfinite(gradient):
            self.bad_gradients = 0
            return True
        self.bad_gradients += 1
        log.warning("the gradient of step %d is not finite; the step is skipped", step)
        if self.bad_gradients == BAD_GRADIENTS:
            raise DivergedError(
                f"{BAD_GRADIENTS} gradients in a row were not finite, the last at step {step}; lower "
                f"{self._rate_setting} in the profile"
            )
        return False

    @property
    def _rate_setting(self) -> str:
        return "learning_rate_scale" if self.short is None else "peak_learning_rate"

    def _evaluate(self) -> dict[str, float]:
        """Feed the monitor; score the validation patients, and keep the weights if they are the best so far."""
        self.network.eval()
        if self.ctx.monitor is not None and self.watched is not None:
            output = self._predict(self.watched)
            self.ctx.monitor.record(
                self.step,
                risk=None if output.risk is None else output.risk.double().numpy(),
                probability=None if output.probability is None else output.probability[:, 0].numpy(),
            )
        values: dict[str, float] = {}
        if self.validation is not None:
            values = validate(
                self._predict(self.validation.inputs), self.validation, self.objective, self.ctx.selection
            )
            self.best.offer(self.network, score(values))
        self.network.train()
        return {f"validation_{name}": value for name, value in values.items()}

    def _predict(self, inputs: Inputs) -> Output:
        return predict(self.network, inputs, masked_input=self.recipe.masked_input, device=self.device)

    def _save(self) -> None:
        state = {
            "step": self.step,
            "bad_gradients": self.bad_gradients,
            "curves": self.curves,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state(),
            "fold_risks": None if self.fold_risks is None else self.fold_risks.risk,
            "best": {"score": self.best.score, "weights": self.best.weights},
        }
        write_checkpoint(self.checkpoint, state)

    def _resume(self) -> None:
        """Continue from the checkpoint if there is one, and repeat the reports of all steps before it."""
        state = read_checkpoint(self.checkpoint)
        if state is None:
            return
        self.step, self.bad_gradients, self.curves = state["step"], state["bad_gradients"], state["curves"]
        self.network.load_state_dict(state["network"])
        self.optimizer.restore(state["optimizer"])
        if self.fold_risks is not None:
            self.fold_risks.risk = state["fold_risks"].to(self.device)
        self.best = Best(**state["best"])
        log.info("continuing after step %d of %d", self.step, self.ctx.training.steps)
        for step, values in self.curves:
            self.ctx.report(step, values)


def _refuse_unsafe_precision(ctx: Context, inputs: Inputs) -> None:
    """Refuse bfloat16 where torch computes it wrongly: on a CPU, the weight gradient of a 3 x 3 x 3 convolution on maps
    smaller than 4 x 4 x 4 is often not finite (seen with torch 2.13).

    Raises:
        BenchError: the deepest maps of this grid, with a sixteenth of its sides, are that small.
    """
    sides = tuple(inputs.images.shape[2:])
    if ctx.training.precision == "bfloat16" and ctx.device == "cpu" and min(sides) < SAFE_SIDE:
        raise BenchError(
            f"precision 'bfloat16' on a CPU needs grids of at least {SAFE_SIDE} voxels a side, but this one has "
            f"{' x '.join(map(str, sides))}. Use 'float32' in the profile, or a GPU."
        )
