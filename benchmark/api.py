"""The plugin API: a declaration that is cheap to read (MethodInfo) and a class that works (Method)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort, Need, UnlabelledCohort
from survbench.io.hashing import digest
from survbench.space import Space
from survbench.volume import Modality

if TYPE_CHECKING:
    from survbench.training import Training

Gives = Literal["risk", "survival", "segmentation", "embedding"]
Selection = Literal["last", "inner", "paper"]
Tuning = Literal["none", "paper", "nested"]
SURVIVAL_MONTHS = np.arange(3.0, 121.0, 3.0)
"""Months for which the harness asks for survival, and at which it is stored: to ten years, the paper's last."""
FAMILIES = (
    "reference",
    "marker",
    "clinical",
    "radiomics",
    "deep-features",
    "end-to-end",
    "multi-task",
    "ablation",
    "outside",
)
"""Families of methods, by what they are made of; rows of ``reference`` frame the board and are not ranked."""
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "paper": "the DeepMTS paper's Tables II to V, with the controls that belong to them",
        "related": "systems that the paper names as related work",
        "simple": "plain models that a reader asks for first",
        "successors": "systems that were published after the paper for the same task",
        "marker": "one quantity of the tumour, nothing learned",
        "ensemble": "means of other rows' standardised risks; nothing is fitted",
        "outside": "methods of other packages, and imported risks",
        "reference": "rows that frame the board; neither ranked nor tested",
    }
)
"""Groups of methods, by the question that they answer, in words. p values are adjusted within a group, so that a row
added to one group changes no p of another.
"""


def default_group(family: str, tags: Iterable[str]) -> str:
    """Return the group of a method that declares none, as before there were groups: the paper's rows had a tag, and
    markers and reference rows are families, too.

    >>> default_group("marker", ["table-2"])
    'marker'
    """
    if "paper" in tags:
        return "paper"
    return family if family in GROUPS else "outside"


METHOD_NAME = re.compile(r"(?!all$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""What a method may be called: kebab case, and not the word for all methods."""
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one job of a method takes."""

    cpus: int = 1
    gpu: bool = False
    """Runs on a GPU where the run has one; the pool then gives it to one such job at a time."""
    quick_seconds: float = 1.0
    """CPU seconds of one fit in the quick profile, roughly, two jobs at once on two cores; the forecast of a run's time
    starts from it."""
    quick_mb: int = 520
    """Most memory, in megabytes, of the process of one fit in the quick profile on a CPU, its libraries included."""
    model_mb: float | None = None
    """Megabytes of the disk that the model of one fit takes, with the features that it names; None where that was not
    measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a publication reports for a method, and where."""

    source: str
    c_index: float | None = None
    external_c_index: float | None = None
    dice: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodInfo:
    """The declaration of a method; importing it must import nothing heavy.

    Attributes:
        name: kebab case, stable; what ``bench run --methods`` takes.
        family: one of :data:`FAMILIES`.
        group: one of :data:`GROUPS`: with which rows its p is adjusted; by :func:`default_group` where none is given.
            It is a matter of the board and enters no key.
        pair: it joins a source of features with a learner, one of the many pairs that can be formed. ``--methods all``
            and ``@GROUP`` have it only if a publication reports it (``published``); its own name always chooses it.
        learner: name of the learner of a method on a table; ``--methods LEARNER`` takes all methods with it that are
            in ``all``.
        target: ``"package.module:Class"``, imported when the method is used.
        params: keyword arguments of the constructor.
        needs_fit, needs_predict: what the method may see in each phase; everything else is absent.
        modalities: image modalities that it cannot do without; a cohort without them skips it.
        gives: what it predicts.
        stochastic: results depend on the seed; the others run with one seed only.
        upstream: another method whose ``embed`` makes this one's features (need ``upstream``): its fit of the same fold
            and seed runs first, and its features of no other fold are ever seen.
        selects: trains step by step, and chooses a checkpoint on validation patients if there are any; whether such a
            fit has learned is checked on its training fold. The others train on the whole training fold always.
        trains: reads ``Context.training``; the results of the others do not change with the profile's budget.
        space: what tuning may choose from, by argument of the constructor; empty for a method that is never tuned.
        smoke_params: params on top of ``params`` that make a fit take seconds.
        version: raise it when results change for a reason that the source does not show.
    """

    name: str
    title: str
    family: str
    group: str = ""
    pair: bool = False
    learner: str = ""
    target: str
    params: Mapping[str, Any] = field(default_factory=dict)
    needs_fit: frozenset[Need] = frozenset()
    needs_predict: frozenset[Need] = frozenset()
    modalities: frozenset[Modality] = frozenset()
    gives: frozenset[Gives] = frozenset({"risk"})
    upstream: str = ""
    stochastic: bool = False
    selects: bool = False
    trains: bool = True
    resources: Resources = Resources()
    space: Space = field(default_factory=dict)
    smoke_params: Mapping[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    published: Published | None = None
    reference: str = ""
    version: str = "1"
    notes: str = ""

    def __post_init__(self) -> None:
        self._check_name()
        if self.family not in FAMILIES:
            raise ValueError(f"method {self.name!r}: family {self.family!r} is not one of {', '.join(FAMILIES)}")
        if not self.group:
            object.__setattr__(self, "group", default_group(self.family, self.tags))
        if self.group not in GROUPS:
            raise ValueError(f"method {self.name!r}: group {self.group!r} is not one of {', '.join(GROUPS)}")
        if (self.family == "reference") != (self.group == "reference"):
            raise ValueError(f"method {self.name!r}: the family and the group of a reference row are both 'reference'")
        for tag in sorted(self.tags & GROUPS.keys()):
            raise ValueError(f"method {self.name!r}: tag {tag!r} is the name of a group; declare group={tag!r} instead")
        if not self.gives:
            raise ValueError(f"method {self.name!r} gives nothing; allowed: risk, survival, segmentation, embedding")
        if bool(self.upstream) != ("upstream" in self.needs_fit & self.needs_predict):
            raise ValueError(f"method {self.name!r}: an upstream method and the need 'upstream' belong together")
        if self.space and "risk" not in self.gives:
            raise ValueError(f"method {self.name!r} has a search space and gives no risk to score it by")
        if "truth" in self.needs_fit | self.needs_predict and self.family != "reference":
            raise ValueError(f"method {self.name!r}: only reference rows may see the truth")

    def _check_name(self) -> None:
        if not METHOD_NAME.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            raise ValueError(
                f"method {self.name[:LONGEST_NAME]!r}: a name is kebab case (a-z, 0-9 and single hyphens), has at most "
                f"{LONGEST_NAME} characters and is not 'all'"
            )

    @property
    def in_all(self) -> bool:
        """Whether ``--methods all`` has it: every method but the pairs that no publication reports."""
        return not self.pair or self.published is not None


@dataclass(frozen=True, slots=True)
class Seeds:
    """Independent seeds per axis of chance, all derived from one number, the fold and the method.

    >>> Seeds(0, 0, "deepmts").of("init") != Seeds(0, 0, "deepmts").of("sampler")
    True
    """

    seed: int
    fold: int
    method: str

    def of(self, axis: str) -> int:
        """Return the 32-bit seed of an axis (``init``, ``sampler``, ``augment``, ``dropout``, ...)."""
        return int(digest([self.seed, self.fold, self.method, axis])[:8], 16)

    def rng(self, axis: str) -> np.random.Generator:
        """Return a numpy generator for an axis."""
        return np.random.default_rng(self.of(axis))


class DeadlineError(Exception):
    """The job's time is used up."""


class Monitor(Protocol):
    """Watches convergence on patients without outcome or mask; nothing flows back to the method."""

    cohort: UnlabelledCohort

    def record(
        self,
        step: int,
        *,
        risk: NDArray[np.float64] | None = None,
        probability: Iterable[NDArray[np.float32]] | None = None,
    ) -> None:
        """Keep what the method predicts for ``cohort`` after ``step``: risks of shape (n,), and per patient a tumour
        probability on its grid. Scored by the harness after the fit.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the harness hands to ``fit`` beside the patients. No globals.

    Attributes:
        seeds: seeds per axis.
        training: budget of networks: steps, batch, how the published learning rate and momentum scale.
        device: ``"cpu"`` or ``"cuda"``.
        threads: CPU threads that the job may use.
        selection: how a method with ``selects`` chooses its checkpoint: ``last`` of the schedule (no validation),
            ``inner`` lowest validation L_sur, ``paper`` best validation C-index.
        scratch: an empty folder, deleted with the job unless it is killed; checkpoints for resuming go here.
        deadline: ``time.monotonic()`` at which the job is over, or None.
        monitor: to be fed at evaluation steps, or None.
        report: takes (step, {name: value}) for curves and progress.
    """

    seeds: Seeds
    training: Training
    scratch: Path
    device: str = "cpu"
    threads: int = 1
    selection: Selection = "last"
    deadline: float | None = None
    monitor: Monitor | None = None
    report: Callable[[int, Mapping[str, float]], None] = field(default=lambda _step, _values: None)

    def check_deadline(self) -> None:
        """Raise :class:`DeadlineError` once the deadline has passed; long loops call it at every step."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise DeadlineError("the job's time is used up; raise job_timeout_s in the profile")


@runtime_checkable
class Method(Protocol):
    """A survival model under test. The constructor only stores its arguments.

    Optional, as declared by ``MethodInfo.gives``:

    - ``predict_risk(cohort) -> float64 (n,)``, higher means an earlier event;
    - ``predict_survival(cohort, times) -> float64 (n, len(times))``, non-increasing in time, ``times`` in months;
    - ``segment(cohort) -> iterator of float32 arrays``, per patient the tumour probability on its grid;
    - ``embed(cohort) -> float64 (n, p)``.

    Optional, and kept with the run of a fit where a method has it:

    - ``selected() -> Mapping[str, float]``, after ``fit`` or ``load``: a weight (coefficient or importance) by name of
      feature or clinical column. 0 means that the column was left out, and so does a feature that is not named; name
      clinical columns always.
    - ``resolved() -> Mapping[str, Any]``, after ``fit``: by name, the values of arguments of the constructor that the
      training fold decides (``None`` for "by the rule"); they are recorded and shown instead of the arguments.
    """

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:
        """Learn from ``train`` (rows sorted by id), choose a checkpoint on ``validation`` if given; return self.
        Everything that learns (scaling, selection, imputation) learns here.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted state into ``folder``: arrays and JSON, never pickles."""
        ...

    def load(self, folder: Path, *, device: str) -> Self:
        """Restore what ``save`` wrote into an instance made with the same arguments; return self."""
        ...


class NotFittedError(Exception):
    """A prediction was asked for before ``fit`` or ``load``."""
