"""What a run may spend. A profile never changes a method's architecture."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from survbench.errors import BenchError, UnknownNameError
from survbench.io.config import LONGEST_NAME, OneLine, Strict, parse_model
from survbench.io.paths import expanded
from survbench.io.yaml_text import parse_yaml, read_text
from survbench.training import Training
from survbench.volume import NETWORK_MULTIPLE


class PhantomSize(Strict):
    """Patients and event rates of the phantom's two centres, and the seed of everything in it."""

    train: Annotated[int, Field(gt=0, le=100_000)]
    external: Annotated[int, Field(gt=0, le=100_000)]
    event_rate: Annotated[float, Field(gt=0, lt=1)]
    external_event_rate: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0)] = 0


class TuningBudget(Strict):
    """What tuning may spend: sets of hyper-parameters to try, and inner folds of a training fold (``nested``); and how
    many sets are proposed together, which can be tried side by side.
    """

    trials: Annotated[int, Field(ge=2, le=100_000)]
    inner_folds: Annotated[int, Field(ge=2, le=1000)]
    batch: Annotated[int, Field(ge=1, le=1000)] = 1

    @model_serializer(mode="wrap")
    def _without_a_batch_of_one(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave a batch of one out of files, as it is in those that were written before there were batches."""
        content: dict[str, Any] = written(self)
        if self.batch == 1:
            content.pop("batch", None)
        return content

    @model_validator(mode="after")
    def _a_batch_is_part_of_the_trials(self) -> TuningBudget:
        if self.batch > self.trials:
            raise ValueError(f"a batch of {self.batch} is more than all {self.trials} trials; give 1 to {self.trials}")
        return self


class Profile(Strict):
    """A named budget."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=LONGEST_NAME)]
    description: OneLine
    voxels: Annotated[int, Field(gt=0, le=1024)]
    folds: Annotated[int, Field(ge=2, le=1000)]
    phantom: PhantomSize
    training: Training
    tuning: TuningBudget = TuningBudget(trials=20, inner_folds=3)
    resamples: Annotated[int, Field(gt=0, le=1_000_000)]
    job_timeout_s: Annotated[float, Field(gt=0, le=100_000_000)]

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
    raw = yaml.safe_load((files("survbench.plan") / "profiles.yaml").read_text(encoding="utf-8"))
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
    path = expanded(name)
    if not path.is_file():
        known = ", ".join(builtin_profiles())
        raise BenchError(f"There is no profile file {name!r}. Give a built-in name ({known}) or a YAML file.")
    see = "docs/reference/profiles.md"
    raw = parse_yaml(read_text(path), source=name, see=see)
    return parse_model(Profile, raw, source=name, see=see)
