"""Sentences that stand with every board: what the rows do not say about budget, selection and data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from survbench.evaluation.gather import Gathered, Results
from survbench.evaluation.learning import LEAST_GAIN
from survbench.plan.study import Study
from survbench.training import PUBLISHED_STEPS, Training

FEW_EVENTS = 10
"""Events below which the C-index of a fold, or of an external cohort, is called a coarse number."""


def cautions(
    study: Study,
    results: Results,
    *,
    learning: Mapping[str, Mapping[str, int]],
    excluded: int,
    excluded_outside: int,
) -> tuple[str, ...]:
    """Return the sentences.

    Args:
        study: what was planned.
        results: what its runs say.
        learning: by method, how many of its fits have which verdict on whether they have learned.
        excluded: resamples that were left out for all methods.
        excluded_outside: the same for the external cohort.
    """
    return (
        *_of_training(study, results),
        *_of_learning(study, results, learning),
        *_of_patients(study, results),
        *_of_data(study, results, excluded, excluded_outside),
    )


def _of_training(study: Study, results: Results) -> list[str]:
    """Return what the rows do not say about how the methods were trained."""
    warnings: list[str] = []
    profile, protocol = study.profile, study.protocol
    training = Training.model_validate(profile["training"])
    runs = [run for r in results.methods.values() for run in r.runs]
    # only networks count parameters
    networks = any("parameters" in run.record["description"] for run in runs)
    on_networks = any(r.runs and r.entry.family == "deep-features" for r in results.methods.values())
    otherwise = training.steps < PUBLISHED_STEPS or training.short_budget is not None
    if otherwise and (networks or on_networks):
        warnings.append(
            f"Profile '{profile['name']}' trains networks for {training.words}: their rows are no statement about the "
            "methods as published."
        )
    if protocol["selection"] == "paper":
        warnings.append(
            "Selection 'paper' chooses checkpoints on the test folds, as published: networks' C-index is optimistic."
        )
    if protocol["tuning"] == "paper" and any(r.entry.tunes for r in results.methods.values()):
        warnings.append(
            "Tuning 'paper' chooses hyper-parameters on the test folds, as published: C-indices of tuned methods are "
            "optimistic; the external cohort's are not touched."
        )
    stochastic = any(r.entry.stochastic and r.entry.family != "reference" for r in results.methods.values())
    if stochastic and int(protocol["seeds"]) == 1:
        warnings.append("One seed per method: intervals do not hold the variance of training (--seeds 3 shows it).")
    return warnings


def _of_learning(study: Study, results: Results, learning: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return which fits were not shown to have learned, and which have learned nothing that carries over."""
    fits = sum(count["fits"] for count in learning.values())
    warnings: list[str] = []
    for verdict, what, why in (
        (
            "not_learned",
            "were not shown to have learned",
            f"the C of their training patients is below the least C, or Dice within {LEAST_GAIN} of one constant mask",
        ),
        ("over_fitted", "are over-fitted", "what they have learned of their training patients fails on test patients"),
    ):
        concerned = {name: count for name, count in learning.items() if count[verdict]}
        if concerned:
            number = sum(count[verdict] for count in concerned.values())
            named = ", ".join(f"{name} {count[verdict]} of {count['fits']}" for name, count in concerned.items())
            warnings.append(f"{number} of {fits} fits that were checked {what} ({why}): {named}.")
    protocol = study.protocol
    tuned = protocol["tuning"] == "paper" and any(results.methods[name].entry.tunes for name in learning)
    if learning and (tuned or protocol["selection"] == "paper"):
        warnings.append(
            "Test folds chose checkpoints or hyper-parameters ('paper'), so over-fitting of the fits that were checked "
            "can hardly show."
        )
    return warnings


def _of_patients(study: Study, results: Results) -> list[str]:
    """Return what a reader must know of the patients."""
    warnings: list[str] = []
    for name, cohort in (("cohort", study.cohort), ("external cohort", study.external or {})):
        if cohort.get("left_out"):
            ids = ", ".join(cohort["left_out"])
            warnings.append(f"Patients of the {name} with problems were left out (--skip-bad): {ids}.")
    if results.outcomes is not None:
        o = results.outcomes
        events = min(int(o.event[o.fold == k].sum()) for k in np.unique(o.fold))
        if events < FEW_EVENTS:
            warnings.append(
                f"A fold has only {events} events; its C-index is a coarse number, and with so few the p of the "
                "jackknife is too small ('bench compare' permutes)."
            )
    if results.external is not None and int(results.external.event.sum()) < FEW_EVENTS:
        warnings.append(f"The external cohort has only {int(results.external.event.sum())} events; read its intervals.")
    return warnings


def _of_data(study: Study, results: Results, excluded: int, excluded_outside: int) -> list[str]:
    """Return what the rows do not say about what the methods were measured on."""
    warnings: list[str] = []
    measured = [r for r in results.methods.values() if r.risk is not None and r.entry.family != "reference"]
    masked = sum(r.entry.needs_mask for r in measured)
    if 0 < masked < len(measured):
        warnings.append(
            f"{masked} of {len(measured)} methods predict from the manual tumour mask (marked 'mask'); "
            "the others do without it."
        )
    constant = [r.entry.name for r in measured if _is_constant(r, results)]
    if constant:
        warnings.append(
            f"{', '.join(constant)}: every patient of a fold got the same risk, so C is 0.5 there: the method found "
            "nothing in this many training patients."
        )
    imported = [r.entry.name for r in measured if r.entry.imported]
    if imported:
        warnings.append(
            f"Imported risks ({', '.join(imported)}): nobody here has seen how they were made; they are honest if a "
            "patient's risk comes from a model that was fitted without the patient's fold."
        )
    for number, where in ((excluded, "had a fold"), (excluded_outside, "of the external cohort were")):
        if number:
            warnings.append(f"{number} resamples {where} without a comparable pair and were left out for all methods.")
    reference = results.methods.get(study.protocol["reference"])
    if reference is None or reference.risk is None:
        name = study.protocol["reference"]
        warnings.append(f"The reference method {name} is not complete: no differences are tested.")
    return warnings


def _is_constant(method: Gathered, results: Results) -> bool:
    """Say whether a method ranks nobody in some fold."""
    if method.risk is None or results.outcomes is None:
        return False
    fold = results.outcomes.fold
    return any(float(np.ptp(risk[fold == k])) == 0 for risk in method.risk for k in np.unique(fold))
