"""The page of a cohort's registration: each patient before and after, with outliers first."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from survbench.datasets.checks.facts import RegistrationFacts
from survbench.datasets.checks.registration import ELSEWHERE_MM, HALF, TURNED_DEG, UNLIKE
from survbench.leaderboard.site.assets import static, template
from survbench.statistics.outliers import FAR, FEWEST


@dataclass(frozen=True, slots=True)
class RegisteredPatient:
    """A patient on the page.

    Attributes:
        id: the patient's id.
        facts: of the registration.
        doubts: why it is not accepted; empty if it is.
        far: in which numbers it is an outlier, or "".
        picture: a JPEG.
    """

    id: str
    facts: RegistrationFacts
    doubts: Sequence[str]
    far: str
    picture: bytes

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.picture).decode('ascii')}"


def registration_page(cohort: str, channel: str, patients: Sequence[RegisteredPatient]) -> str:
    """Return the page as one self-contained file.

    Args:
        cohort: its title.
        channel: the channel that is registered.
        patients: in the order in which they are shown.
    """
    page: str = template("registration.html.j2").render(
        cohort=cohort,
        channel=channel,
        patients=patients,
        limits={"similarity": UNLIKE, "overlap": HALF, "apart": ELSEWHERE_MM, "turned": TURNED_DEG},
        far=FAR,
        fewest=FEWEST,
        style=Markup(static("board.css", "cohort.css")),  # noqa: S704  # ours
    )
    return page
