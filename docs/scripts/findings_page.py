"""Write docs/reference/findings.md from the checks' classes: ``findings_page.py``."""

from __future__ import annotations

import inspect
from pathlib import Path

from survbench.actions.checks import all_checks
from survbench.findings import Check

PAGE = Path(__file__).parents[1] / "reference" / "findings.md"
PARTS = {
    "table": "The table",
    "outcome": "The outcome",
    "predictors": "Features and clinical columns",
    "images": "Images",
    "mask": "Masks",
    "protocol": "The protocol",
    "external": "The external cohort",
    "board": "The board",
}
HEAD = """# Findings

What is wrong with an input, or to be known of a board, is a finding: a code, a cause, the patients concerned and a
remedy. `bench cohort check`, `bench run`, the board, its JSON and MLflow show the same findings. Those of one cause
are one line with a count and examples; `--verbose` and `--json` name each.

- An **error** keeps the cohort, or the patient, from being used. `--skip-bad` goes on without the patients that an
  error names; an error of the whole cohort stops.
- A **warning** asks for a look. `--ignore CODE` sets it aside, and the board says so. Some errors are judgements and
  can be ignored, too.
- A **note** is to be known by whoever reads the board.

`bench list checks` lists the codes, `bench list SB201` explains one. A plugin adds a check of its own with an entry
point of the group `survbench.checks` that names a subclass of `CohortCheck`, `VoxelCheck` or `PatientCheck` of
`survbench.datasets.checks.kinds`. It declares a code of capitals and a number that nobody else has and that does not
begin with SB, a severity, a part and a title; the subject of its findings is the id of a patient, or empty. A plugin
that does not is left out with a warning, and `bench doctor` names it. One that fails while it looks at a cohort stops
the run with its code: that is not the patient's fault.

`bench cohort check` counts a check as passed if it was made and found nothing, as not applicable if the card has no
such thing (masks, features, a group), and as not run if what it looks at could not be read, such as voxels where all
files are damaged.

This page is written by `docs/scripts/findings_page.py` from the classes of the checks.
"""


def page() -> str:
    """Return the text of the page."""
    lines = [HEAD]
    for part, title in PARTS.items():
        checks = [check for check in all_checks() if check.part == part and check.__module__.startswith("survbench.")]
        if checks:
            lines += [f"## {title}", ""]
            lines += [line for check in sorted(checks, key=lambda c: c.code) for line in _section(check)]
    return "\n".join(lines).rstrip() + "\n"


def _section(check: type[Check]) -> list[str]:
    why = " ".join((inspect.getdoc(check) or "").replace("``", "`").split())
    ignorable = "can be ignored" if check.ignorable else "cannot be ignored"
    return [
        f"### {check.code}",
        "",
        f"**{check.title}** ({check.severity}, {ignorable})",
        "",
        why,
        *(["", f"What to do: {check.remedy}"] if check.remedy else []),
        "",
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
