"""Checks of a board by itself: what its rows do not show about budget, selection and data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from survbench.evaluation.direction import turned_round
from survbench.evaluation.gather import Gathered, Results
from survbench.evaluation.learning import LEAST_GAIN, Verdict, Verdicts
from survbench.findings import Check, Finding, Severity
from survbench.plan.study import Study
from survbench.training import PUBLISHED_STEPS

COARSE_EVENTS = 10
"""Number of events below which the C-index of a fold, or of an external cohort, is called imprecise."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """The input of a board.

    Attributes:
        study: the plan.
        results: the results of its runs.
        learning: verdicts on whether fits have learned, by method.
        excluded: number of resamples left out for all methods.
        excluded_outside: the same for the external cohort.
    """

    study: Study
    results: Results
    learning: Mapping[str, Verdicts]
    excluded: int
    excluded_outside: int

    @property
    def measured(self) -> list[Gathered]:
        """The methods with risks, except reference rows."""
        return [r for r in self.results.methods.values() if r.risk is not None and r.entry.family != "reference"]


class BoardCheck(Check, ABC):
    """A check of a board as a whole; its findings are what readers of the rows need to know."""

    severity: ClassVar[Severity] = "note"
    part = "board"
    ignorable = False

    @abstractmethod
    def find(self, of: Measurements) -> Iterable[Finding]:
        """Return what readers need to know; nothing if the rows say everything."""


class ShortTraining(BoardCheck):
    """The profile trains networks for fewer steps than published; their rows do not judge the methods as published."""

    code = "SB701"
    title = "Networks are trained for fewer steps than published"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        training = of.study.profile.training
        methods = of.results.methods.values()
        # only networks count parameters
        networks = any("parameters" in run.record.description for r in methods for run in r.runs)
        on_networks = any(r.runs and r.entry.family == "deep-features" for r in methods)
        otherwise = training.steps < PUBLISHED_STEPS or training.short_budget is not None
        if otherwise and (networks or on_networks):
            yield self.finding(
                f"Profile '{of.study.profile.name}' trains networks for {training.words}: their rows say "
                "nothing about the methods as published."
            )


class SelectedOnTest(BoardCheck):
    """``--selection paper`` chooses the checkpoint that is best on the test fold, as published."""

    code = "SB702"
    severity = "warning"
    title = "Checkpoints are chosen on the test folds"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        if of.study.protocol.selection == "paper":
            yield self.finding(
                "Selection 'paper' chooses checkpoints on the test folds, as published: the C-index of networks is "
                "optimistic."
            )


class TunedOnTest(BoardCheck):
    """``--tune paper`` chooses the hyper-parameters that are best on the test folds, as published."""

    code = "SB703"
    severity = "warning"
    title = "Hyper-parameters are chosen on the test folds"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        if of.study.protocol.tuning == "paper" and any(r.entry.tunes for r in of.results.methods.values()):
            yield self.finding(
                "Tuning 'paper' chooses hyper-parameters on the test folds, as published: C-indices of tuned methods "
                "are optimistic; the external cohort's are not touched."
            )


class OneSeed(BoardCheck):
    """With one seed, an interval shows how much C varies with the patients, but not how much it varies with the
    training.
    """

    code = "SB704"
    title = "One seed per method"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        entries = [r.entry for r in of.results.methods.values()]
        if of.study.protocol.seeds == 1 and any(e.stochastic and e.family != "reference" for e in entries):
            yield self.finding(
                "One seed per method: intervals do not include the variance between training runs (--seeds 3 shows it)."
            )


class NotLearned(BoardCheck):
    """Some fits were not shown to have learned; see the page on learning in the documentation."""

    code = "SB705"
    severity = "warning"
    title = "Fits were not shown to have learned"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        said = _share(of, "not learned")
        if said is not None:
            yield self.finding(
                f"{said[0]} that were checked were not shown to have learned (the C of their training patients is "
                f"below the least C, or Dice within {LEAST_GAIN} of one constant mask): {said[1]}."
            )


class OverFitted(BoardCheck):
    """Some fits have learned their training patients, but nothing that carries over to the test fold."""

    code = "SB706"
    severity = "warning"
    title = "Fits are over-fitted"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        said = _share(of, "over-fitted")
        if said is not None:
            yield self.finding(
                f"{said[0]} that were checked are over-fitted (what they learned from their training patients fails on "
                f"test patients): {said[1]}."
            )


class OverFittingHidden(BoardCheck):
    """``paper`` chose checkpoints or hyper-parameters on the test folds, so their C cannot show over-fitting."""

    code = "SB714"
    title = "Over-fitting is hard to see"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        protocol, methods = of.study.protocol, of.results.methods
        tuned = protocol.tuning == "paper" and any(methods[name].entry.tunes for name in of.learning)
        if of.learning and (tuned or protocol.selection == "paper"):
            yield self.finding(
                "Test folds chose checkpoints or hyper-parameters ('paper'), so over-fitting of the fits that were "
                "checked is hard to see."
            )


class LeftOut(BoardCheck):
    """``--skip-bad`` left out patients that have problems."""

    code = "SB707"
    severity = "warning"
    title = "Patients were left out"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        for name, cohort in (("cohort", of.study.cohort), ("external cohort", of.study.external)):
            if cohort is not None and cohort.left_out:
                number = len(cohort.left_out)
                yield self.finding(f"Patients of the {name} with problems were left out (--skip-bad): {number}.")


class FewEventsInFold(BoardCheck):
    """With fewer than 10 events in a fold, its C-index is imprecise, and the jackknife rejects too often."""

    code = "SB708"
    severity = "warning"
    title = "A fold has few events"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        inside, outside = of.results.outcomes, of.results.external
        if inside is not None:
            events = min(int(inside.event[inside.fold == k].sum()) for k in np.unique(inside.fold))
            if events < COARSE_EVENTS:
                yield self.finding(
                    f"A fold has only {events} events; its C-index is imprecise, and the jackknife's p value is too "
                    "small (read the permutation p of 'bench compare')."
                )
        if outside is not None and int(outside.event.sum()) < COARSE_EVENTS:
            yield self.finding(
                f"The external cohort has only {int(outside.event.sum())} events; read the intervals of its C-indices."
            )


class SomeUseMasks(BoardCheck):
    """Some methods use the manual tumour mask to predict, which is an advantage over the others."""

    code = "SB709"
    title = "Some methods predict from the manual mask"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        masked, number = sum(r.entry.needs_mask for r in of.measured), len(of.measured)
        if 0 < masked < number:
            yield self.finding(
                f"{masked} of {number} methods predict from the manual tumour mask; the others do not use it."
            )


class ConstantRisk(BoardCheck):
    """A method gave every patient in a fold the same risk, so its C is 0.5 there: it found nothing."""

    code = "SB710"
    severity = "warning"
    title = "A method gives all patients of a fold the same risk"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        constant = [r.entry.name for r in of.measured if _is_constant(r, of.results)]
        if constant:
            yield self.finding(
                f"{', '.join(constant)}: every patient in a fold got the same risk, so C is 0.5 there: the method "
                "found nothing in its training patients."
            )


class ImportedRisks(BoardCheck):
    """The risks of some rows were computed outside survbench."""

    code = "SB711"
    severity = "warning"
    title = "Risks are imported"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        imported = [r.entry.name for r in of.measured if r.entry.imported]
        if imported:
            yield self.finding(
                f"Imported risks ({', '.join(imported)}): survbench does not know how they were computed. They are "
                "valid if each patient's risk comes from a model that was fitted without the patient's fold."
            )


class ChosenMembers(BoardCheck):
    """A row is the mean of other rows. If these were chosen by their C on this board, the row's C is optimistic."""

    code = "SB716"
    title = "The members of an ensemble were chosen"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        for entry in (r.entry for r in of.measured if r.entry.members):
            yield self.finding(
                f"{entry.name}: the mean of {', '.join(entry.members)}. If these were chosen by their C on this board, "
                "its C is optimistic; an external C is not, unless that chose them."
            )


class MemberLeftOut(BoardCheck):
    """A member of an ensemble gave all patients of a fold the same risk, so the others make the mean there."""

    code = "SB717"
    severity = "warning"
    title = "An ensemble leaves out a member in some fits"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        for result in of.measured:
            if result.constant:
                named = ", ".join(f"{name} ({count} of its fits)" for name, count in result.constant.items())
                yield self.finding(
                    f"{result.entry.name}: left out where they give every patient of the fold the same risk: {named}."
                )


class Harmonised(BoardCheck):
    """ComBat brings features of all centres to one scale. Where centres differ in their patients, it removes signal."""

    code = "SB718"
    severity = "warning"
    title = "ComBat can remove signal"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        names = [r.entry.name for r in of.measured if str(r.entry.params.get("source", "")).startswith("combat-")]
        if names:
            yield self.finding(
                f"ComBat ({', '.join(names)}) removes whatever differs between centres, signal included; compare each "
                "row with the one of the same name without 'combat-'."
            )


class ResamplesLeftOut(BoardCheck):
    """Bootstrap resamples in which a fold has no comparable pair of patients are left out for all rows."""

    code = "SB712"
    title = "Resamples were left out"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        for number, where in ((of.excluded, "had a fold"), (of.excluded_outside, "of the external cohort were")):
            if number:
                yield self.finding(
                    f"{number} resamples {where} without a comparable pair and were left out for all methods."
                )


class NoReference(BoardCheck):
    """The method that all others are tested against has no C-index."""

    code = "SB713"
    severity = "warning"
    title = "The reference method is not complete"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        name = of.study.protocol.reference
        reference = of.results.methods.get(name)
        if reference is None or reference.risk is None:
            yield self.finding(f"The reference method {name} is not complete: no differences are tested.")


class TurnedRound(BoardCheck):
    """The C-index of a row, with its interval, is far below 0.5: its risks seem to be reversed, like predicted times or
    survival probabilities.
    """

    code = "SB715"
    severity = "warning"
    title = "Risks seem to be reversed"

    def find(self, of: Measurements) -> Iterator[Finding]:
        """See :class:`BoardCheck`."""
        o = of.results.outcomes
        for method in of.measured:
            if o is None or method.risk is None:
                continue
            how = turned_round(o.time, o.event, o.fold, method.risk)
            if how:
                yield self.finding(f"{method.entry.name}: {how}")


BOARD_CHECKS: tuple[type[BoardCheck], ...] = (
    ShortTraining,
    SelectedOnTest,
    TunedOnTest,
    OneSeed,
    NotLearned,
    OverFitted,
    OverFittingHidden,
    LeftOut,
    FewEventsInFold,
    SomeUseMasks,
    ConstantRisk,
    ImportedRisks,
    ChosenMembers,
    MemberLeftOut,
    Harmonised,
    TurnedRound,
    ResamplesLeftOut,
    NoReference,
)
"""Checks in the order in which a board shows their findings."""


def board_findings(of: Measurements) -> list[Finding]:
    """Return the findings about a board."""
    return [finding for check in BOARD_CHECKS for finding in check().find(of)]


def _share(of: Measurements, verdict: Verdict) -> tuple[str, str] | None:
    """Return how many fits have a verdict, and which methods they belong to; None if none has."""
    concerned = {name: count for name, count in of.learning.items() if count.of(verdict)}
    if not concerned:
        return None
    number = sum(count.of(verdict) for count in concerned.values())
    fits = sum(count.fits for count in of.learning.values())
    named = ", ".join(f"{name} {count.of(verdict)} of {count.fits}" for name, count in concerned.items())
    return f"{number} of {fits} fits", named


def _is_constant(method: Gathered, results: Results) -> bool:
    """Return whether a method ranks no patients in some fold."""
    if method.risk is None or results.outcomes is None:
        return False
    fold = results.outcomes.fold
    return any(float(np.ptp(risk[fold == k])) == 0 for risk in method.risk for k in np.unique(fold))
