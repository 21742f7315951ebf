"""What all code of a process shares, and whether a method changed it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.io.hashing import digest
from survbench.testing.demand import demand


def fingerprint(cohort: UnlabelledCohort) -> str:
    """Return a hash of everything that a method could change in a cohort."""
    arrays: list[NDArray[Any]] = [
        v.voxels() for s in cohort.subjects for v in (*s.volumes.values(), *s.structures.values())
    ]
    if cohort.features is not None:
        arrays.append(cohort.features.values)
    if isinstance(cohort, Cohort):
        arrays += [cohort.time, cohort.event]
    clinical = [dict(s.clinical) for s in cohort.subjects]
    return digest([clinical, [digest(np.asarray(a).tobytes().hex()) for a in arrays]])


class Watched:  # reads as a block: with bench.watched()
    """Raise if what processes share is not as it should be after the block.

    Settings are compared with those before the method did anything, so that a change that was made once is seen, too;
    generators start the block in a state that nobody sets, so that setting a fixed seed is seen.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        self.settings = settings

    def __enter__(self) -> None:
        import torch

        self.states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
        random.seed(os.urandom(8))
        np.random.seed(random.getrandbits(32))  # noqa: NPY002
        torch.default_generator.manual_seed(random.getrandbits(32))
        self.before = {**self.settings, **dict(_generators())}

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        import torch

        after = {**dict(settings()), **dict(_generators())}
        random.setstate(self.states[0])
        np.random.set_state(self.states[1])  # noqa: NPY002
        torch.random.set_rng_state(self.states[2])
        if kind is not None:
            return
        changed = [name for name, value in self.before.items() if after[name] != value]
        demand(not changed, f"it changed {', '.join(changed)}; use ctx.seeds, and put back what you must set")


def _generators() -> Iterator[tuple[str, object]]:
    import torch

    yield "the random module's generator", random.getstate()
    yield "numpy's global generator", np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    yield "torch's global generator", torch.random.get_rng_state().numpy().tobytes()


def settings() -> Iterator[tuple[str, object]]:
    """Yield the settings of this process that a method must leave as they are, by name."""
    import torch

    yield "the current folder", str(Path.cwd())
    # libraries note here where they keep their caches
    yield "the environment", {k: v for k, v in os.environ.items() if not k.startswith(("KMP", "TORCH"))}
    yield "torch's number of threads", torch.get_num_threads()
    yield "torch's default type", torch.get_default_dtype()
    yield "torch's gradient mode", torch.is_grad_enabled()
    yield "torch's deterministic mode", torch.are_deterministic_algorithms_enabled()
    flags = torch.backends.cudnn
    yield "cuDNN's flags", (flags.enabled, flags.benchmark, flags.deterministic)
