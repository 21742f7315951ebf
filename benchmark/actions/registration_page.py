"""Write the page that shows how the patients of a cohort register to its template."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.facts import RegistrationFacts
from survbench.datasets.checks.registration import doubts, far_registrations
from survbench.datasets.preprocessing.grid import reference_point
from survbench.datasets.preprocessing.registered_views import TemplateViews
from survbench.errors import BenchError
from survbench.io.files import write_text
from survbench.leaderboard.site.registration_page import RegisteredPatient, registration_page


def write_registration_page(source: SourceCohort, registrations: Mapping[str, RegistrationFacts], path: Path) -> None:
    """Write the page of a registered cohort; those who are not accepted and outliers come first.

    Args:
        source: the cohort.
        registrations: of its patients whose files could be read, by id.
        path: the HTML file.

    Raises:
        BenchError: the cohort is not registered, or its template cannot be read.
    """
    template = source.template
    if template is None or not registrations:
        advice = "Declare 'registration' on its card (docs/reference/cohort-card.md), or leave out --page."
        if source.card.registration is not None:
            advice = "'bench cohort check' without --page says why."
        raise BenchError(f"No patient of cohort {source.card.name!r} is registered: no page is written. {advice}")
    views = TemplateViews.of(template)
    far = far_registrations(registrations)
    patients = []
    for name in in_order(registrations):
        (subject,) = source.cohort.select([name]).subjects
        centre = reference_point(subject, source.cohort.channels, source.card.reference)
        facts = registrations[name]
        picture = views.compare(subject, centre, facts)
        patients.append(RegisteredPatient(name, facts, list(doubts(facts)), far.get(name, ""), picture))
    write_text(path, registration_page(source.card.title, template.channel, patients))


def in_order(registrations: Mapping[str, RegistrationFacts]) -> list[str]:
    """Return patients by what is to be looked at first: those not accepted, outliers, low similarity."""
    far = far_registrations(registrations)

    def rank(name: str) -> tuple[bool, bool, float, str]:
        facts = registrations[name]
        return not list(doubts(facts)), name not in far, facts.similarity, name

    return sorted(registrations, key=rank)
