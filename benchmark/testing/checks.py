"""The checks, in the order in which they are reported."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from survbench.api import DeadlineError, NotFittedError
from survbench.cohort import Cohort
from survbench.errors import BenchError
from survbench.io.layout import Status
from survbench.space import suggest
from survbench.statistics.metrics import concordance_index
from survbench.testing.bench import FULL_STEPS, MONTHS, TESTED, Bench, Skip
from survbench.testing.demand import demand
from survbench.testing.patients import SIDE
from survbench.testing.shared_state import fingerprint
from survbench.work.construct import construct

FULL_PATIENTS = 24
SIGN = 0.6
"""C-index that a method must exceed where everything that it can see determines the outcome."""
SAMPLES = 8
"""Draws from a method's search space."""
DEADLINE_S = 20.0


def _declares_what_it_can(bench: Bench) -> None:
    method = bench.make()
    verbs = {"risk": "predict_risk", "survival": "predict_survival", "segmentation": "segment", "embedding": "embed"}
    wanted = ["fit", "save", "load", *(verbs[g] for g in sorted(bench.info.gives))]
    missing = [verb for verb in wanted if not callable(getattr(method, verb, None))]
    demand(not missing, f"declared but absent: {', '.join(missing)}")
    demand(bench.info.reference, "MethodInfo.reference is empty; say where the method comes from")


def _constructor_only_stores(bench: Bench) -> None:
    with bench.watched():
        first, second = bench.make(), bench.make()
    demand(first is not second, "two instances are one object")


def _predicting_before_fit_is_refused(bench: Bench) -> None:
    method = bench.make()
    try:
        bench.everything(method, bench.test())
    except NotFittedError:
        return
    if not bench.info.needs_fit and not bench.info.stochastic:
        raise Skip("it learns nothing, so there is nothing to wait for")
    raise AssertionError("raise survbench.api.NotFittedError")


def _fit_returns_self_and_changes_nothing(bench: Bench) -> None:
    train = bench.train()
    before = fingerprint(train)
    method = bench.make()
    _ = bench.fitted  # libraries that are imported on first use may draw from generators: not the method's doing
    with bench.watched():
        result = method.fit(train, validation=None, ctx=bench.context())
    demand(result is method, "fit must return self")
    demand(fingerprint(train) == before, "fit changed the training cohort")


def _predicting_changes_nothing(bench: Bench) -> None:
    method, cohort = bench.fitted, bench.test()
    before = fingerprint(cohort)
    with bench.watched():
        bench.everything(method, cohort)
    demand(fingerprint(cohort) == before, "predicting changed the cohort")


def _shapes_and_finite_values(bench: Bench) -> None:
    shapes = {
        "risk": (TESTED,),
        "survival": (TESTED, len(MONTHS)),
        "segmentation": (TESTED, SIDE, SIDE, SIDE),
    }
    for name, value in bench.everything(bench.fitted, bench.test()).items():
        expected = shapes.get(name, value.shape if value.ndim == 2 and len(value) == TESTED else ())
        demand(value.shape == expected, f"{name} has shape {value.shape}, expected {expected or '(n, p)'}")
        demand(np.issubdtype(value.dtype, np.floating), f"{name} has type {value.dtype}, expected a float")
        demand(np.isfinite(value).all(), f"{name} has values that are not finite")


def _survival_is_a_probability_that_never_rises(bench: Bench) -> None:
    if "survival" not in bench.info.gives:
        raise Skip("gives no survival curves")
    curve = bench.fitted.predict_survival(bench.test(), MONTHS)
    demand(curve.min() >= 0 and curve.max() <= 1, f"survival lies between {curve.min():.3g} and {curve.max():.3g}")
    demand(np.diff(curve, axis=1).max() <= 1e-9, "survival rises with time")


def _probabilities_of_a_tumour(bench: Bench) -> None:
    if "segmentation" not in bench.info.gives:
        raise Skip("does not segment")
    for image in bench.fitted.segment(bench.test()):
        demand(image.min() >= 0 and image.max() <= 1, f"probabilities from {image.min():.3g} to {image.max():.3g}")


def _order_of_patients_does_not_matter(bench: Bench) -> None:
    cohort = bench.test()
    order = np.arange(len(cohort))[::-1]
    straight = bench.everything(bench.fitted, cohort)
    turned = bench.everything(bench.fitted, cohort.take(order))
    bench.same({k: v[order] for k, v in straight.items()}, turned, "when the patients come in another order")


def _each_patient_stands_alone(bench: Bench) -> None:
    cohort = bench.test()
    together = bench.everything(bench.fitted, cohort)
    alone = [bench.everything(bench.fitted, cohort.take([n])) for n in range(len(cohort))]
    joined = {name: np.concatenate([one[name] for one in alone]) for name in together}
    bench.same(together, joined, "when patients are predicted one by one: it looks at the others")


def _same_seed_same_result(bench: Bench) -> None:
    again = bench.fit(bench.train())
    cohort = bench.test()
    bench.same(bench.everything(bench.fitted, cohort), bench.everything(again, cohort), "in a second fit")


def _saved_and_loaded_it_is_the_same(bench: Bench) -> None:
    folder = bench.folder / "model"
    folder.mkdir()
    bench.fitted.save(folder)
    pickles = [p.name for p in folder.rglob("*") if p.suffix in {".pkl", ".pickle", ".joblib"}]
    demand(not pickles, f"{', '.join(pickles)}: write arrays and JSON, never pickles")
    with bench.watched():
        loaded = bench.make().load(folder, device="cpu")
    cohort = bench.test()
    bench.same(bench.everything(bench.fitted, cohort), bench.everything(loaded, cohort), "after save and load")


def _weights_of_columns_are_numbers(bench: Bench) -> None:
    selected = getattr(bench.fitted, "selected", None)
    if selected is None:
        raise Skip("does not say which features it keeps")
    weights = dict(selected())
    demand(all(isinstance(name, str) for name in weights), "selected must name columns")
    wrong = [name for name, weight in weights.items() if not np.isfinite(weight)]
    demand(not wrong, f"selected gave a weight that is not finite for {', '.join(wrong)}")


def _few_events(bench: Bench) -> None:
    train = bench.train()
    event = np.zeros(len(train), dtype=bool)
    event[:2] = True
    if "centres" in bench.info.needs_fit:
        other = [n for n, subject in enumerate(train.subjects) if subject.centre != train.subjects[0].centre]
        event[other[:2]] = True
    _finite_after(bench, replace(train, event=event))


def _tied_times(bench: Bench) -> None:
    train = bench.train()
    _finite_after(bench, replace(train, time=np.ceil(train.time / 20) * 20))


def _no_event_at_all(bench: Bench) -> None:
    """As in a batch without event, nothing can be learnt: to refuse is right, and so is a finite answer."""
    train = bench.train()
    try:
        _finite_after(bench, replace(train, event=np.zeros(len(train), dtype=bool)))
    except (BenchError, ValueError) as refusal:
        demand(str(refusal), "fit() raised an error with an empty message; say what is wrong and how to fix it")


def _every_sample_of_the_search_space_builds(bench: Bench) -> None:
    if not bench.info.space:
        raise Skip("has no search space")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(SAMPLES):
        params = suggest(study.ask(), bench.info.space)
        method = construct(bench.info.target, {**bench.info.params, **bench.info.smoke_params, **params})
        getattr(method, "describe", dict)()
        if number == 0:
            method.fit(bench.train(), validation=None, ctx=bench.context())


def _finite_after(bench: Bench, train: Cohort) -> None:
    for name, value in bench.everything(bench.fit(train), bench.test()).items():
        demand(np.isfinite(value).all(), f"{name} has values that are not finite")


def _deadline_is_respected(bench: Bench) -> None:
    started = time.monotonic()
    try:
        bench.fit(bench.train(), deadline=started - 1.0, steps=FULL_STEPS * 10)
    except DeadlineError:
        return
    taken = time.monotonic() - started
    demand(taken < DEADLINE_S, f"went on for {taken:.0f} s after the deadline; call ctx.check_deadline() in loops")


def _higher_risk_means_an_earlier_event(bench: Bench) -> None:
    if "risk" not in bench.info.gives:
        raise Skip("gives no risk")
    if bench.info.family == "reference":
        raise Skip("reference rows need not rank patients")
    if bench.info.selects and not bench.full:
        raise Skip("networks learn the sign in full mode alone (bench method test NAME --full)")
    train = bench.train(FULL_PATIENTS)
    test = bench.patients(FULL_PATIENTS, seed=1)
    risk = bench.fit(train, steps=FULL_STEPS).predict_risk(test.unlabelled(bench.info.needs_predict))
    c = concordance_index(test.time, np.ones(len(test), dtype=bool), risk).value
    hint = " Is the sign flipped?" if c < 1 - SIGN else ""
    demand(
        c > SIGN,
        f"C-index {c:.2f} on simulated patients whose inputs determine the outcome; more than {SIGN} is needed.{hint}",
    )


def _runs_under_the_harness(bench: Bench) -> None:
    if not bench.full:
        raise Skip("in full mode alone (bench method test NAME --full)")
    from survbench.actions.request import Request
    from survbench.actions.run import run_study
    from survbench.actions.watcher import Silent
    from survbench.plan.profile import load_profile
    from survbench.plan.registry import registry

    if bench.info.name not in registry().methods:
        raise Skip("it is not registered")
    request = Request(profile=load_profile("smoke"), methods=bench.info.name, out=bench.folder / "run")
    result = run_study(request, Silent())
    row = next(r for r in result.board.rows if r.method == bench.info.name)
    if row.status == Status.SKIPPED:
        raise Skip(f"the embedded cohort cannot serve it: {row.reason}")
    demand(row.status == Status.OK, f"{row.status}: {row.reason}")


CHECKS: tuple[Callable[[Bench], None], ...] = (
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
