"""The names that ``import survbench`` offers: what a notebook needs, and what the author of a method does.

They are loaded when the first of them is asked for; all that is heavy is imported where it is used.
"""

from survbench.api import Context, MethodInfo, NotFittedError, Published, Resources
from survbench.cohort import Cohort, Subject, UnlabelledCohort
from survbench.errors import BenchError
from survbench.findings import Check, CohortError, Finding
from survbench.library import compare, load_study, run, verify
from survbench.results import ComparedMethods, Leaderboard, StudyResults
from survbench.space import Choice, Real, Whole
from survbench.volume import Volume

__all__ = [
    "BenchError",
    "Check",
    "Choice",
    "Cohort",
    "CohortError",
    "ComparedMethods",
    "Context",
    "Finding",
    "Leaderboard",
    "MethodInfo",
    "NotFittedError",
    "Published",
    "Real",
    "Resources",
    "StudyResults",
    "Subject",
    "UnlabelledCohort",
    "Volume",
    "Whole",
    "compare",
    "load_study",
    "run",
    "verify",
]
