"""Jobs: the units that are cached, run in their own process and may fail alone.

The class of a kind of job says what others must know of it: what it requires, which function does the work, whose
outcomes that function may know, what to call the job, and how much work it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter
from survbench.api import Selection
from survbench.cohort import Need
from survbench.io.config import Stored
from survbench.training import Training


class JobKind(StrEnum):
    """What a job does, in a word that a plan writes behind "to"."""

    TUNE = "tune"
    FIT = "fit"
    PREDICT = "predict"
    IMPORT = "import"


class Upstream(Stored):
    """The fit of another method whose features a job takes, and what that needs to predict."""

    key: str
    method: str = ""
    needs_predict: tuple[Need, ...]


class JobBase(Stored):
    """What all jobs have; ``job.json`` holds their fields.

    Attributes:
        word: what distinguishes it in words from a fit of the same seed and fold.
        kind: what the job does.
        key: 32 digits of the hash of ``spec``.
        spec: what changes the result. It is kept for whoever asks why two keys differ, and read by nobody here; packed
            studies leave it out.
        method: its name.
        seed: of the run.
        fold: number of the fold; None of one search for all folds.
    """

    word: ClassVar[str] = ""
    kind: JobKind
    key: str
    spec: Mapping[str, Any] = {}
    method: str
    seed: int
    fold: int | None

    @property
    def place(self) -> str:
        """Which seed and fold the job is of."""
        return f"seed {self.seed} {'all folds' if self.fold is None else f'fold {self.fold}'}"

    @property
    def task(self) -> str:
        """The job in words, without its method."""
        return f"{self.place} {self.word}".rstrip()

    @property
    def label(self) -> str:
        """The job in words."""
        return f"{self.method} {self.task}"

    @property
    def required_keys(self) -> frozenset[str]:
        """The keys of the jobs whose results this one takes."""
        return frozenset()


class WorkedJob(JobBase):
    """What jobs have that run in a process of their own.

    Attributes:
        worker: what runs there, as ``module:function``; it takes the job, the output folder, and the outcomes of the
            patients in :attr:`outcomes_of` unless there are none. The key covers the code of the module.
        cohort: fingerprint of the prepared cohort.
        device: ``cpu`` or ``cuda``.
        needs_predict: what the method sees of patients whom it predicts.
        threads: that the job may use.
        timeout_s: how long it may take.
    """

    worker: ClassVar[str]
    cohort: str
    device: str = "cpu"
    needs_predict: tuple[Need, ...]
    threads: int
    timeout_s: float

    @property
    def fits(self) -> int:
        """How many fits it makes, for the forecast."""
        return 0

    @property
    def predicted(self) -> int:
        """How many patients it predicts without a fit, for the forecast."""
        return 0

    @property
    def outcomes_of(self) -> frozenset[str]:
        """Ids of the patients whose outcomes the job's process is given; of all others it knows none."""
        return frozenset()


class FittingJob(WorkedJob):
    """What jobs have that fit a method.

    Attributes:
        target: the method's class, as ``module:name``.
        params: of the declaration.
        training: budget of networks, in every fit.
        needs_fit: what the method sees of patients whom it is fitted on.
    """

    target: str = ""
    params: Mapping[str, Any] = {}
    training: Training
    needs_fit: tuple[Need, ...]


class FitJob(FittingJob):
    """A fit on a training fold, and the prediction of its test fold. Of a packed study it is without patients.

    Attributes:
        selects: whether the method chooses a checkpoint.
        selection: how.
        train, test: ids, sorted.
        gives: what the method predicts.
        upstream: the fit whose features it takes, of the same fold and seed.
        tune: key of the job that chooses hyper-parameters for it.
    """

    worker: ClassVar[str] = "survbench.work.fit:run_fit"
    kind: Literal[JobKind.FIT] = JobKind.FIT
    fold: int
    selects: bool = False
    selection: Selection = "last"
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    gives: tuple[str, ...]
    upstream: Upstream | None = None
    tune: str | None = None

    @property
    def fits(self) -> int:
        """See :class:`WorkedJob`."""
        return 1

    @property
    def outcomes_of(self) -> frozenset[str]:
        """See :class:`WorkedJob`: the training fold, and for the published way to choose a checkpoint the test fold."""
        return frozenset(self.train) | frozenset(self.test if self.selection == "paper" else ())

    @property
    def required_keys(self) -> frozenset[str]:
        """See :class:`JobBase`."""
        return frozenset(_key_of(self.upstream) | ({self.tune} if self.tune else set()))


class TuneSplit(Stored):
    """Ids on which a tuning trial fits and is scored, and the fit whose features it takes there, if any."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    upstream: Upstream | None = None


class TuneJob(FittingJob):
    """A search for hyper-parameters by the mean score over splits.

    Attributes:
        space: of the search, as JSON.
        trials: how many sets of hyper-parameters are tried.
        batch: how many are proposed together, from those that were tried before.
        splits: inner folds of one training fold (``nested``), or the folds themselves (``paper``).
        fit_timeout_s: how long one fit may take.
    """

    word: ClassVar[str] = "tuning"
    worker: ClassVar[str] = "survbench.work.tune:run_tune"
    kind: Literal[JobKind.TUNE] = JobKind.TUNE
    space: Mapping[str, Any]
    trials: int
    batch: int = 1
    splits: tuple[TuneSplit, ...]
    fit_timeout_s: float

    @property
    def fits(self) -> int:
        """See :class:`WorkedJob`."""
        return self.trials * len(self.splits)

    @property
    def outcomes_of(self) -> frozenset[str]:
        """See :class:`WorkedJob`: everybody in a split, who with ``nested`` is in one training fold."""
        return frozenset(i for split in self.splits for i in (*split.train, *split.validation))

    @property
    def required_keys(self) -> frozenset[str]:
        """See :class:`JobBase`."""
        return frozenset(key for split in self.splits for key in _key_of(split.upstream))


class PredictJob(WorkedJob):
    """The prediction of every patient of an external cohort by the model of a fit.

    Attributes:
        fit: its key.
        cohort_name: of the external cohort.
        test: ids, sorted.
        gives: what the method predicts.
        upstream: the fit whose features the method takes.
    """

    word: ClassVar[str] = "external"
    worker: ClassVar[str] = "survbench.work.predict:run_predict"
    kind: Literal[JobKind.PREDICT] = JobKind.PREDICT
    fold: int
    fit: str
    cohort_name: str = ""
    test: tuple[str, ...] = ()
    gives: tuple[str, ...]
    upstream: Upstream | None = None

    @property
    def predicted(self) -> int:
        """See :class:`WorkedJob`."""
        return len(self.test)

    @property
    def required_keys(self) -> frozenset[str]:
        """See :class:`JobBase`."""
        return frozenset(_key_of(self.upstream) | {self.fit})


class ImportJob(JobBase):
    """Risks of an outside model, which nothing here has fitted, of some patients."""

    word: ClassVar[str] = "imported"
    kind: Literal[JobKind.IMPORT] = JobKind.IMPORT
    fold: int
    test: tuple[str, ...] = ()


PlannedJob = FitJob | TuneJob | PredictJob
Job = PlannedJob | ImportJob
_JOB: TypeAdapter[Job] = TypeAdapter(Annotated[Job, Field(discriminator="kind")])


def job_from_json(raw: object) -> Job:
    """Return the job that ``job.json`` holds.

    Raises:
        ValueError: it holds none.
    """
    return _JOB.validate_python(raw)


def _key_of(upstream: Upstream | None) -> set[str]:
    return {upstream.key} if upstream else set()
