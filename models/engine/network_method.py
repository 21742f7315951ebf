"""Turn a network into a method: encode clinical columns, read images, train, predict, save."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.errors import BenchError
from survbench.models.engine.augment import Augmentation
from survbench.models.engine.inference import AT_ONCE, lay_out, predict
from survbench.models.engine.layers import ImageNetwork, count_buffers, count_convolutions, count_parameters
from survbench.models.engine.losses import Objective
from survbench.models.engine.recipe import PUBLISHED_SCHEDULE, Recipe
from survbench.models.engine.seeding import seeded
from survbench.models.engine.tensors import Inputs, Labelled, Output, stack
from survbench.models.engine.trainer import Trainer
from survbench.models.events import require_events
from torch import Tensor

if TYPE_CHECKING:
    from survbench.features.clinical import ClinicalEncoder

Network = TypeVar("Network", bound=ImageNetwork)

WEIGHTS = "network.safetensors"
SETTINGS = "network.json"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result of a fit."""

    network: ImageNetwork
    encoder: ClinicalEncoder
    channels: tuple[str, ...]
    device: torch.device


class NetworkMethod(ABC, Generic[Network]):
    """A method that trains one network on images and clinical values; subclasses define the network and its losses.

    Args:
        schedule: pairs of an iteration of the published 15,000 and the learning rate from there on; a profile's
            ``short_budget`` replaces it.
        learning_rate_factor: factor for every learning rate.
        translate_mm: largest random shift in training along each axis.
        rotate_degrees: largest random rotation about each axis.
        flip_probability: probability of mirroring left and right.
        masked_input: multiply the images by the manual mask, in training and prediction.
    """

    def __init__(
        self,
        *,
        schedule: Sequence[tuple[int, float]] = PUBLISHED_SCHEDULE,
        learning_rate_factor: float = 1.0,
        translate_mm: float = 10.0,
        rotate_degrees: float = 5.0,
        flip_probability: float = 0.5,
        masked_input: bool = False,
    ) -> None:
        self.schedule = schedule
        self.learning_rate_factor = learning_rate_factor
        self.translate_mm = translate_mm
        self.rotate_degrees = rotate_degrees
        self.flip_probability = flip_probability
        self.masked_input = masked_input
        self._fitted: Fitted | None = None

    @abstractmethod
    def build(self, channels: int, clinical: int) -> Network:
        """Return a fresh network for images (N, channels, X, Y, Z) and clinical values (N, clinical)."""

    @abstractmethod
    def objective(self, network: Network) -> Objective:
        """Return the objective that training minimises."""

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:
        """Train a network on ``ctx.device``.

        Raises:
            BenchError: images, masks or outcomes do not meet the network's requirements.
            DivergedError: the loss or the gradients became non-finite.
            DeadlineError: the time limit was reached.
        """
        from survbench.features.clinical import ClinicalEncoder

        if not train.channels:
            raise BenchError("Networks need images, but this cohort has none. Choose methods that do not need images.")
        device = torch.device(ctx.device)
        encoder = ClinicalEncoder.fit(train)
        with seeded(ctx.seeds.of("init"), device):
            network = self.build(len(train.channels), len(encoder.columns))
        if ctx.training.short_budget is not None and ctx.training.short_budget.zero_start:
            network.start_at_zero()
        lay_out(network, device, ctx.training.memory_layout)
        objective = self.objective(network)
        if objective.survival is not None:
            require_events(train, what="a survival network")
        mask = self.masked_input or objective.segmentation is not None
        trainer = Trainer(
            network,
            _place(_labelled(train, encoder, mask=mask), device),
            objective=objective,
            recipe=self._recipe(),
            ctx=ctx,
            validation=None if validation is None else _labelled(validation, encoder, mask=mask),
            watched=None if ctx.monitor is None else _inputs(ctx.monitor.cohort, encoder, mask=self.masked_input),
        )
        trainer.run()
        self._fitted = Fitted(network, encoder, train.channels, device)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return risks, shape (n,)."""
        return self._collect(cohort, "risk")

    def embed(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the deep features that enter the survival head, shape (n, p)."""
        return self._collect(cohort, "features")

    def segment(self, cohort: UnlabelledCohort) -> Iterator[NDArray[np.float32]]:
        """Yield each patient's tumour probability, shape (X, Y, Z)."""
        outputs = self._outputs(self._require_fit(cohort), cohort)
        return (
            image for output in outputs for image in self._present(output.probability, "segmentation")[:, 0].numpy()
        )

    def save(self, folder: Path) -> None:
        """Write ``network.safetensors`` (weights and running averages) and ``network.json``."""
        from safetensors.torch import save_file

        fitted = self._require_fit()
        save_file({k: v.cpu().contiguous() for k, v in fitted.network.state_dict().items()}, folder / WEIGHTS)
        settings = {"channels": fitted.channels, "encoder": fitted.encoder.to_json()}
        (folder / SETTINGS).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def load(self, folder: Path, *, device: str) -> Self:
        """Restore the files written by :meth:`save`, in an instance with the same arguments."""
        from safetensors.torch import load_file
        from survbench.features.clinical import ClinicalEncoder

        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        encoder = ClinicalEncoder.from_json(settings["encoder"])
        channels = tuple(settings["channels"])
        with torch.device("meta"):
            network = self.build(len(channels), len(encoder.columns))
        network.load_state_dict(load_file(folder / WEIGHTS), assign=True)
        lay_out(network.eval(), torch.device(device))
        self._fitted = Fitted(network, encoder, channels, torch.device(device))
        return self

    def describe(self, channels: int | None = None, clinical: int | None = None) -> dict[str, int]:
        """Return the size of the network for these numbers of image channels and encoded clinical columns, without
        building it. Without arguments: the size of the fitted network, or before a fit the paper's (two channels, one
        column).
        """
        if self._fitted is not None and channels is None and clinical is None:
            network: ImageNetwork = self._fitted.network
        else:
            with torch.device("meta"):
                network = self.build(2 if channels is None else channels, 1 if clinical is None else clinical)
        return {
            "parameters": count_parameters(network),
            "buffers": count_buffers(network),
            "conv_layers": count_convolutions(network),
            "deep_features": network.features,
        }

    def _recipe(self) -> Recipe:
        augmentation = Augmentation(
            translate_mm=self.translate_mm,
            rotate_degrees=self.rotate_degrees,
            flip_probability=self.flip_probability,
        )
        moves = self.translate_mm or self.rotate_degrees or self.flip_probability
        return Recipe(
            schedule=self.schedule,
            learning_rate_factor=self.learning_rate_factor,
            augmentation=augmentation if moves else None,
            masked_input=self.masked_input,
        )

    def _require_fit(self, cohort: UnlabelledCohort | None = None) -> Fitted:
        if self._fitted is None:
            raise NotFittedError(f"{type(self).__name__} predicts only after 'fit' or 'load'")
        if cohort is not None and cohort.channels != self._fitted.channels:
            raise BenchError(
                f"The network was trained on the channels {', '.join(self._fitted.channels)}, but these patients have "
                f"{', '.join(cohort.channels) or 'none'}. Use a cohort with the same channels in the same order."
            )
        return self._fitted

    def _outputs(self, fitted: Fitted, cohort: UnlabelledCohort) -> Iterator[Output]:
        """Yield the predictions for a few patients at a time, because a cohort on its full grid may not fit into
        memory.
        """
        for start in range(0, len(cohort), AT_ONCE):
            few = cohort.take(np.arange(start, min(start + AT_ONCE, len(cohort))))
            inputs = _inputs(few, fitted.encoder, mask=self.masked_input)
            yield predict(fitted.network, inputs, masked_input=self.masked_input, device=fitted.device)

    def _collect(
        self, cohort: UnlabelledCohort, what: Literal["risk", "features", "conditional"]
    ) -> NDArray[np.float64]:
        outputs = self._outputs(self._require_fit(cohort), cohort)
        rows = [self._present(getattr(output, what), what).double() for output in outputs]
        return torch.cat(rows).numpy()

    def _present(self, value: Tensor | None, what: str) -> Tensor:
        if value is None:
            raise BenchError(
                f"This {type(self).__name__} does not predict {what}. 'bench list METHOD' shows what a method predicts."
            )
        return value


def _inputs(cohort: UnlabelledCohort, encoder: ClinicalEncoder, *, mask: bool) -> Inputs:
    return stack(cohort, encoder.transform(cohort), mask=mask)


def _labelled(cohort: Cohort, encoder: ClinicalEncoder, *, mask: bool) -> Labelled:
    return Labelled(
        inputs=_inputs(cohort, encoder, mask=mask),
        time=torch.from_numpy(np.asarray(cohort.time, dtype=np.float64)),
        event=torch.from_numpy(np.asarray(cohort.event, dtype=bool)),
    )


def _place(patients: Labelled, device: torch.device) -> Labelled:
    """Move the images to a GPU once if they take at most half of its free memory; otherwise batches move one by one."""
    if device.type == "cuda" and patients.inputs.nbytes <= torch.cuda.mem_get_info(device)[0] / 2:
        return replace(patients, inputs=patients.inputs.to(device))
    return patients
