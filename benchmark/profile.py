"""What a run may spend. A profile never changes a method's architecture."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from survbench.card import parse_model
from survbench.errors import BenchError, UnknownNameError

NETWORK_MULTIPLE = 16
"""Four poolings, nearest upsampling and concatenation: every side must be a multiple of 16 voxels (METHODS: the
networks raise on 64 x 64 x 56)."""

Positive = Annotated[int, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PhantomSize(_Strict):
    """Patients and event rates of the phantom's two centres."""

    train: Positive
    external: Positive
    event_rate: Annotated[float, Field(gt=0, lt=1)]
    external_event_rate: Annotated[float, Field(gt=0, lt=1)]


class Training(_Strict):
    """How long networks train.

    The published schedule (15,000 steps) is compressed to ``steps``; with far fewer steps the published learning rates
    and batch-norm momentum do nothing, so they are scaled, and the board prints by how much. ``clip_norm`` bounds the
    norm of the gradient. It is not published, and needed on small grids: at 32 voxels the deepest maps of the cascaded
    network are single voxels, batch normalisation over a batch of them makes the first gradients of L_sur a thousand
    times those of L_seg, and Adam divides by what it has seen for a thousand steps.

    Settings of the engine, in the key of every fit like the others: ``micro_batches`` sends a batch through the network
    in that many parts where it does not fit into memory whole (gradients accumulate, the losses stay those of the whole
    batch, batch normalisation sees a part at a time); ``precision`` of the forward and backward pass; ``memory_layout``
    of images and kernels, by ``auto`` the one that measured fastest on the device.
    """

    steps: Positive
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)]
    learning_rate_scale: Annotated[float, Field(gt=0)] = 1.0
    batch_norm_momentum: Annotated[float, Field(gt=0, le=1)] = 0.01
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    evaluations: Annotated[int, Field(ge=0)] = 20
    micro_batches: Positive = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    memory_layout: Literal["auto", "contiguous", "channels_last"] = "auto"

    @model_validator(mode="after")
    def _parts_are_equal(self) -> Training:
        if self.batch_size % self.micro_batches or self.batch_size < 2 * self.micro_batches:
            raise ValueError(
                f"a batch of {self.batch_size} cannot go in {self.micro_batches} micro_batches of equal size, at "
                "least 2 patients each"
            )
        return self


class TuningBudget(_Strict):
    """What tuning may spend: sets of hyper-parameters to try, and inner folds of a training fold (``nested``)."""

    trials: Annotated[int, Field(ge=2)]
    inner_folds: Annotated[int, Field(ge=2)]


class Profile(_Strict):
    """A named budget."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    description: str
    voxels: Positive
    folds: Annotated[int, Field(ge=2)]
    phantom: PhantomSize
    training: Training
    tuning: TuningBudget = TuningBudget(trials=20, inner_folds=3)
    resamples: Positive
    job_timeout_s: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _grid_fits_the_networks(self) -> Profile:
        if self.voxels % NETWORK_MULTIPLE or self.voxels < 2 * NETWORK_MULTIPLE:
            raise ValueError(
                f"voxels must be a multiple of {NETWORK_MULTIPLE} and at least {2 * NETWORK_MULTIPLE}: "
                "the networks halve the grid four times and join it again"
            )
        return self


@cache
def builtin_profiles() -> dict[str, Profile]:
    """Return the built-in profiles by name, cheapest first."""
    raw = yaml.safe_load((files("survbench") / "profiles.yaml").read_text(encoding="utf-8"))
    return {name: Profile.model_validate({"name": name, **block}) for name, block in raw.items()}


def load_profile(name: str) -> Profile:
    """Return a built-in profile, or the one in a YAML file.

    Raises:
        BenchError: no such profile or file, or the file does not fit.
    """
    if name in builtin_profiles():
        return builtin_profiles()[name]
    if Path(name).suffix not in {".yaml", ".yml"}:
        raise UnknownNameError("profile", name, builtin_profiles(), see="'bench list profiles'")
    if not Path(name).is_file():
        known = ", ".join(builtin_profiles())
        raise BenchError(f"There is no profile file {name!r}. Give a built-in name ({known}) or a YAML file.")
    try:
        raw: Any = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BenchError(f"{name} is not valid YAML: {error}. See docs/reference/profiles.md.") from error
    if not isinstance(raw, dict):
        raise BenchError(f"{name} holds no mapping. See docs/reference/profiles.md.")
    return parse_model(Profile, raw, source=name, see="docs/reference/profiles.md")
