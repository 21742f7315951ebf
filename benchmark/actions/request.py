"""What the user asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from survbench.api import Selection, Tuning
from survbench.plan.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for; see ``bench run --help``."""

    profile: Profile
    methods: str = "all"
    cohort: str = "phantom"
    data: Path | None = None
    external: str | None = None
    splits: Path | None = None
    selection: Selection = "last"
    tuning: Tuning = "none"
    seeds: int = 1
    workers: int = 2
    out: Path = Path("bench-results")
    device: str = "cpu"
    fresh: bool = False
    skip_bad: bool = False
    ignored: tuple[str, ...] = ()
    """Codes of findings in spite of which to go on."""
