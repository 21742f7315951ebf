"""What every method has to do, as checks that a plugin's author runs: ``bench test NAME`` or :func:`check_method`."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, DeadlineError, MethodInfo, NotFittedError, Seeds
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Subject, UnlabelledCohort
from survbench.errors import BenchError
from survbench.hashing import digest
from survbench.metrics import concordance_index
from survbench.profile import Training
from survbench.registry import construct
from survbench.space import suggest
from survbench.volume import Modality, Volume

PATIENTS, TESTED = 12, 6
"""Patients that the checks fit and predict."""
SIDE = 32
STEPS, FULL_STEPS = 2, 40
FULL_PATIENTS = 24
SIGN = 0.6
"""C-index that a method must reach where the outcome lies open in everything that it can see."""
TOLERANCE = 1e-4
SAMPLES = 8
"""Draws from a method's search space."""
DEADLINE_S = 20.0
MONTHS = np.arange(6.0, 61.0, 6.0)


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str = ""


class _Skip(Exception):  # noqa: N818  # no error: a check that does not apply
    """A check does not apply, and why."""


def check_method(info: MethodInfo, *, full: bool = False) -> list[Check]:
    """Run all checks on a method.

    Args:
        info: the method's declaration.
        full: train longer, see that the sign is right for networks too, and run the method under the harness.
    """
    results: list[Check] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(info, Path(folder), full=full)
        for check in CHECKS:
            name = check.__name__.removeprefix("_").replace("_", " ")
            try:
                check(bench)
                results.append(Check(name, "passed"))
            except _Skip as reason:
                results.append(Check(name, "skipped", str(reason)))
            except Exception as error:  # the method is foreign code; whatever it raises is the finding
                results.append(Check(name, "failed", f"{type(error).__name__}: {error}"[:500]))
    return results


class _Bench:
    """The method under test, the patients, and one fitted model that several checks share."""

    def __init__(self, info: MethodInfo, folder: Path, *, full: bool) -> None:
        self.info = info
        self.folder = folder
        self.full = full
        self._fitted: Any = None
        self._scratch = 0
        self.make()  # imports what the method needs, before the settings that it must not change are looked at
        self.settings = dict(_settings())

    def watched(self) -> _watched:
        """Return a block after which what processes share must be as it was before the method did anything."""
        return _watched(self.settings)

    def train(self, patients: int = PATIENTS) -> Cohort:
        return strong_cohort(patients, seed=0).restrict(self.info.needs_fit)

    def test(self, patients: int = TESTED) -> UnlabelledCohort:
        return strong_cohort(patients, seed=1).unlabelled(self.info.needs_predict)

    def context(self, *, deadline: float | None = None, steps: int = STEPS) -> Context:
        self._scratch += 1
        scratch = self.folder / f"scratch-{self._scratch}"
        scratch.mkdir()
        training = Training(steps=steps, batch_size=4, learning_rate_scale=100, batch_norm_momentum=0.1, clip_norm=1.0)
        return Context(
            seeds=Seeds(0, 0, self.info.name), training=training, scratch=scratch, deadline=deadline, selection="last"
        )

    def make(self) -> Any:
        return construct(self.info.target, {**self.info.params, **self.info.smoke_params})

    def fit(self, train: Cohort, **context: Any) -> Any:
        return self.make().fit(train, validation=None, ctx=self.context(**context))

    @property
    def fitted(self) -> Any:
        if self._fitted is None:
            self._fitted = self.fit(self.train())
        return self._fitted

    def everything(self, method: Any, cohort: UnlabelledCohort) -> dict[str, NDArray[np.float64]]:
        """Return all that a method predicts, patients first."""
        found: dict[str, Any] = {}
        if "risk" in self.info.gives:
            found["risk"] = method.predict_risk(cohort)
        if "survival" in self.info.gives:
            found["survival"] = method.predict_survival(cohort, MONTHS)
        if "segmentation" in self.info.gives:
            found["segmentation"] = np.stack(list(method.segment(cohort)))
        if "embedding" in self.info.gives:
            found["embedding"] = method.embed(cohort)
        return {name: np.asarray(value) for name, value in found.items()}

    def same(self, first: dict[str, Any], second: dict[str, Any], why: str) -> None:
        """Raise if two predictions differ by more than the tolerance."""
        for name, value in first.items():
            scale = max(float(np.abs(value).max()), 1e-8)
            worst = float(np.abs(value - second[name]).max()) / scale
            _demand(worst <= TOLERANCE, f"{name} differs by {worst:.2g} of its size {why}")


def strong_cohort(patients: int, *, seed: int) -> Cohort:
    """Return simulated patients whose outcome lies open: in the size and uptake of a ball in PET and CT, in the mask,
    in a clinical column, in a feature, and in the truth. Every second one has an event.
    """
    rng = np.random.default_rng([seed, patients])
    hazard = rng.permutation(np.linspace(-1.0, 1.0, patients))
    subjects = tuple(_subject(f"{'AB'[seed % 2]}{n:03d}", float(h), rng) for n, h in enumerate(hazard))
    noise = rng.normal(size=(patients, 5))
    return Cohort(
        subjects=subjects,
        channels=("pet", "ct"),
        clinical_columns=(
            ClinicalColumn("stage", "ordinal", ("I", "II", "III", "IV")),
            ClinicalColumn("age", "numeric"),
        ),
        features=FeatureTable(("signal", *(f"noise_{n}" for n in range(5))), np.column_stack([hazard, noise])),
        truth=hazard,
        time=30.0 * np.exp(-1.2 * hazard) * np.exp(rng.normal(0, 0.05, patients)),
        event=np.arange(patients) % 2 == 0,
    )


def _subject(name: str, hazard: float, rng: np.random.Generator) -> Subject:
    shape, affine = (SIDE, SIDE, SIDE), np.diag([4.0, 4.0, 4.0, 1.0])
    centre = SIDE / 2 + rng.uniform(-2, 2, 3)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    ball = np.linalg.norm(grid - centre, axis=-1) <= 6.5 + 3.0 * hazard
    images: tuple[tuple[str, Modality, NDArray[Any]], ...] = (
        ("pet", "PET", (0.5 + (6 + 3 * hazard) * ball + 0.2 * rng.random(shape)).astype(np.float32)),
        ("ct", "CT", (20.0 + 40 * ball + 10 * rng.standard_normal(shape)).astype(np.float32)),
        ("mask", "MASK", ball),
    )
    volumes = {}
    for key, modality, voxels in images:
        voxels.flags.writeable = False
        volumes[key] = Volume(modality, shape, affine, _constant(voxels), _constant(f"{name}-{key}"))
    stage = ("I", "II", "III", "IV")[min(3, int(2 * (hazard + 1)))]
    return Subject(name, name[0], {"stage": stage, "age": 60.0 + 10 * hazard}, volumes)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _demand(condition: object, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)


# --- the checks, in the order in which they are reported


def _declares_what_it_can(bench: _Bench) -> None:
    method = bench.make()
    verbs = {"risk": "predict_risk", "survival": "predict_survival", "segmentation": "segment", "embedding": "embed"}
    wanted = ["fit", "save", "load", *(verbs[g] for g in sorted(bench.info.gives))]
    missing = [verb for verb in wanted if not callable(getattr(method, verb, None))]
    _demand(not missing, f"declared but absent: {', '.join(missing)}")
    _demand(bench.info.reference, "MethodInfo.reference is empty; say where the method comes from")


def _constructor_only_stores(bench: _Bench) -> None:
    with bench.watched():
        first, second = bench.make(), bench.make()
    _demand(first is not second, "two instances are one object")


def _predicting_before_fit_is_refused(bench: _Bench) -> None:
    method = bench.make()
    try:
        bench.everything(method, bench.test())
    except NotFittedError:
        return
    if not bench.info.needs_fit and not bench.info.stochastic:
        raise _Skip("it learns nothing, so there is nothing to wait for")
    raise AssertionError("raise survbench.api.NotFittedError")


def _fit_returns_self_and_changes_nothing(bench: _Bench) -> None:
    train = bench.train()
    before = _fingerprint(train)
    method = bench.make()
    _ = bench.fitted  # libraries that are imported on first use may draw from generators: not the method's doing
    with bench.watched():
        result = method.fit(train, validation=None, ctx=bench.context())
    _demand(result is method, "fit must return self")
    _demand(_fingerprint(train) == before, "fit changed the training cohort")


def _predicting_changes_nothing(bench: _Bench) -> None:
    method, cohort = bench.fitted, bench.test()
    before = _fingerprint(cohort)
    with bench.watched():
        bench.everything(method, cohort)
    _demand(_fingerprint(cohort) == before, "predicting changed the cohort")


def _shapes_and_finite_values(bench: _Bench) -> None:
    shapes = {
        "risk": (TESTED,),
        "survival": (TESTED, len(MONTHS)),
        "segmentation": (TESTED, SIDE, SIDE, SIDE),
    }
    for name, value in bench.everything(bench.fitted, bench.test()).items():
        expected = shapes.get(name, value.shape if value.ndim == 2 and len(value) == TESTED else ())
        _demand(value.shape == expected, f"{name} has shape {value.shape}, expected {expected or '(n, p)'}")
        _demand(np.issubdtype(value.dtype, np.floating), f"{name} has type {value.dtype}, expected a float")
        _demand(np.isfinite(value).all(), f"{name} has values that are not finite")


def _survival_is_a_probability_that_never_rises(bench: _Bench) -> None:
    if "survival" not in bench.info.gives:
        raise _Skip("gives no survival curves")
    curve = bench.fitted.predict_survival(bench.test(), MONTHS)
    _demand(curve.min() >= 0 and curve.max() <= 1, f"survival lies between {curve.min():.3g} and {curve.max():.3g}")
    _demand(np.diff(curve, axis=1).max() <= 1e-9, "survival rises with time")


def _probabilities_of_a_tumour(bench: _Bench) -> None:
    if "segmentation" not in bench.info.gives:
        raise _Skip("does not segment")
    for image in bench.fitted.segment(bench.test()):
        _demand(image.min() >= 0 and image.max() <= 1, f"probabilities from {image.min():.3g} to {image.max():.3g}")


def _order_of_patients_does_not_matter(bench: _Bench) -> None:
    cohort = bench.test()
    order = np.arange(len(cohort))[::-1]
    straight = bench.everything(bench.fitted, cohort)
    turned = bench.everything(bench.fitted, cohort.take(order))
    bench.same({k: v[order] for k, v in straight.items()}, turned, "when the patients come in another order")


def _each_patient_stands_alone(bench: _Bench) -> None:
    cohort = bench.test()
    together = bench.everything(bench.fitted, cohort)
    alone = [bench.everything(bench.fitted, cohort.take([n])) for n in range(len(cohort))]
    joined = {name: np.concatenate([one[name] for one in alone]) for name in together}
    bench.same(together, joined, "when patients are predicted one by one: it looks at the others")


def _same_seed_same_result(bench: _Bench) -> None:
    again = bench.fit(bench.train())
    cohort = bench.test()
    bench.same(bench.everything(bench.fitted, cohort), bench.everything(again, cohort), "in a second fit")


def _saved_and_loaded_it_is_the_same(bench: _Bench) -> None:
    folder = bench.folder / "model"
    folder.mkdir()
    bench.fitted.save(folder)
    pickles = [p.name for p in folder.rglob("*") if p.suffix in {".pkl", ".pickle", ".joblib"}]
    _demand(not pickles, f"{', '.join(pickles)}: write arrays and JSON, never pickles")
    with bench.watched():
        loaded = bench.make().load(folder, device="cpu")
    cohort = bench.test()
    bench.same(bench.everything(bench.fitted, cohort), bench.everything(loaded, cohort), "after save and load")


def _weights_of_columns_are_numbers(bench: _Bench) -> None:
    selected = getattr(bench.fitted, "selected", None)
    if selected is None:
        raise _Skip("does not tell which features it keeps")
    weights = dict(selected())
    _demand(all(isinstance(name, str) for name in weights), "selected must name columns")
    wrong = [name for name, weight in weights.items() if not np.isfinite(weight)]
    _demand(not wrong, f"selected gave a weight that is not finite for {', '.join(wrong)}")


def _few_events(bench: _Bench) -> None:
    train = bench.train()
    event = np.zeros(len(train), dtype=bool)
    event[:2] = True
    _finite_after(bench, replace(train, event=event))


def _tied_times(bench: _Bench) -> None:
    train = bench.train()
    _finite_after(bench, replace(train, time=np.ceil(train.time / 20) * 20))


def _no_event_at_all(bench: _Bench) -> None:
    """As in a batch without event, nothing can be learnt: to refuse is right, and so is a finite answer."""
    train = bench.train()
    try:
        _finite_after(bench, replace(train, event=np.zeros(len(train), dtype=bool)))
    except (BenchError, ValueError) as refusal:
        _demand(str(refusal), "it is refused without a word; say what is wrong and what to do")


def _every_sample_of_the_search_space_builds(bench: _Bench) -> None:
    if not bench.info.space:
        raise _Skip("has no search space")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(SAMPLES):
        params = suggest(study.ask(), bench.info.space)
        method = construct(bench.info.target, {**bench.info.params, **bench.info.smoke_params, **params})
        getattr(method, "describe", dict)()
        if number == 0:
            method.fit(bench.train(), validation=None, ctx=bench.context())


def _finite_after(bench: _Bench, train: Cohort) -> None:
    for name, value in bench.everything(bench.fit(train), bench.test()).items():
        _demand(np.isfinite(value).all(), f"{name} has values that are not finite")


def _deadline_is_respected(bench: _Bench) -> None:
    started = time.monotonic()
    try:
        bench.fit(bench.train(), deadline=started - 1.0, steps=FULL_STEPS * 10)
    except DeadlineError:
        return
    taken = time.monotonic() - started
    _demand(taken < DEADLINE_S, f"went on for {taken:.0f} s after the deadline; call ctx.check_deadline() in loops")


def _higher_risk_means_an_earlier_event(bench: _Bench) -> None:
    if "risk" not in bench.info.gives:
        raise _Skip("gives no risk")
    if bench.info.family == "reference":
        raise _Skip("reference rows need not rank patients")
    if bench.info.selects and not bench.full:
        raise _Skip("networks learn the sign in full mode alone (bench test NAME --full)")
    train = bench.train(FULL_PATIENTS)
    test = strong_cohort(FULL_PATIENTS, seed=1)
    risk = bench.fit(train, steps=FULL_STEPS).predict_risk(test.unlabelled(bench.info.needs_predict))
    c = concordance_index(test.time, np.ones(len(test), dtype=bool), risk).value
    hint = " Is the sign flipped?" if c < 1 - SIGN else ""
    _demand(c > SIGN, f"C is {c:.2f} where the outcome lies open, expected more than {SIGN}.{hint}")


def _runs_under_the_harness(bench: _Bench) -> None:
    if not bench.full:
        raise _Skip("in full mode alone (bench test NAME --full)")
    from survbench import runner
    from survbench.profile import load_profile
    from survbench.registry import registry

    if bench.info.name not in registry().methods:
        raise _Skip("it is not registered")
    request = runner.Request(profile=load_profile("smoke"), methods=bench.info.name, out=bench.folder / "run")
    result = runner.run(request, runner.Silent())
    row = next(r for r in result.board.rows if r.method == bench.info.name)
    _demand(row.status == "ok", f"{row.status}: {row.reason}")


CHECKS: tuple[Callable[[_Bench], None], ...] = (
    _declares_what_it_can,
    _constructor_only_stores,
    _predicting_before_fit_is_refused,
    _fit_returns_self_and_changes_nothing,
    _predicting_changes_nothing,
    _shapes_and_finite_values,
    _survival_is_a_probability_that_never_rises,
    _probabilities_of_a_tumour,
    _order_of_patients_does_not_matter,
    _each_patient_stands_alone,
    _same_seed_same_result,
    _saved_and_loaded_it_is_the_same,
    _weights_of_columns_are_numbers,
    _few_events,
    _tied_times,
    _no_event_at_all,
    _every_sample_of_the_search_space_builds,
    _deadline_is_respected,
    _higher_risk_means_an_earlier_event,
    _runs_under_the_harness,
)


def _fingerprint(cohort: UnlabelledCohort) -> str:
    """Return a hash of everything that a method could change in a cohort."""
    arrays: list[NDArray[Any]] = [v.voxels() for s in cohort.subjects for v in s.volumes.values()]
    if cohort.features is not None:
        arrays.append(cohort.features.values)
    if isinstance(cohort, Cohort):
        arrays += [cohort.time, cohort.event]
    clinical = [dict(s.clinical) for s in cohort.subjects]
    return digest([clinical, [digest(np.asarray(a).tobytes().hex()) for a in arrays]])


class _watched:  # noqa: N801  # reads as a block: with bench.watched()
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

        after = {**dict(_settings()), **dict(_generators())}
        random.setstate(self.states[0])
        np.random.set_state(self.states[1])  # noqa: NPY002
        torch.random.set_rng_state(self.states[2])
        if kind is not None:
            return
        changed = [name for name, value in self.before.items() if after[name] != value]
        _demand(not changed, f"it changed {', '.join(changed)}; use ctx.seeds, and put back what you must set")


def _generators() -> Iterator[tuple[str, object]]:
    import torch

    yield "the random module's generator", random.getstate()
    yield "numpy's global generator", np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    yield "torch's global generator", torch.random.get_rng_state().numpy().tobytes()


def _settings() -> Iterator[tuple[str, object]]:
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
