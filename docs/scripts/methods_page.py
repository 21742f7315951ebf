"""Write docs/reference/methods.md from the declarations of the built-in methods: ``methods_page.py``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from survbench.api import GROUPS, MethodInfo
from survbench.features.sources import SOURCES
from survbench.models.learners.methods import LEARNERS
from survbench.plan.registry import registry

PAGE = Path(__file__).parents[1] / "reference" / "methods.md"
HEAD = """# Methods

The methods that come with survbench, by [group](../how-to/add-a-method.md#group-and-family-of-the-row).
`bench list NAME` also
counts the weights of a network. This page is written by `docs/scripts/methods_page.py` from their declarations.

## Sources and learners

A method on a table is a source of columns and a learner, `<source>-<learner>`. The pairs that a publication reports,
and the plain ones, are listed below and are in `--methods all`. Any other pair runs by its name, for example
`--methods deepfeat-deephit`; `--methods en-cox` runs all listed pairs with that learner. Missing values become the
median (numbers, features) or the most frequent level of the training fold.

"""


def page() -> str:
    """Return the text of the page."""
    built_in = [info for info in registry().methods.values() if info.target.startswith("survbench.") and info.in_all]
    parts = [HEAD, *_sources(), *_learners()]
    for group, meaning in GROUPS.items():
        methods = [info for info in built_in if info.group == group]
        if methods:
            parts += [f"\n## {group}\n\n{meaning[0].upper()}{meaning[1:]}.\n", *map(_section, methods)]
    return "".join(parts)


def _sources() -> Iterable[str]:
    yield "| source | columns |\n|---|---|\n"
    for source in SOURCES.values():
        yield f"| `{source.name}` | {source.about} |\n"


def _learners() -> Iterable[str]:
    yield "\n| learner | what it is | gives | from |\n|---|---|---|---|\n"
    for learner in LEARNERS:
        yield f"| `{learner.name}` | {learner.title} | {_listed(learner.gives)} | {learner.reference} |\n"


def _section(info: MethodInfo) -> str:
    facts = {
        "family": info.family,
        "sees in a fit": _listed(info.needs_fit),
        "sees in a prediction": _listed(info.needs_predict),
        "gives": _listed(info.gives),
        "features of": f"`{info.upstream}`" if info.upstream else "",
        "arguments": ", ".join(f"`{name}={value!r}`" for name, value in info.params.items()),
        "tuned": ", ".join(f"`{name}` {values}" for name, values in info.space.items()),
        "published": _published(info),
        "source": info.reference,
        "notes": info.notes,
    }
    lines = [f"- {name}: {text}\n" for name, text in facts.items() if text]
    return f"\n### {info.name}\n\n{info.title}\n\n{''.join(lines)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _published(info: MethodInfo) -> str:
    if info.published is None:
        return ""
    one = info.published
    values = {"C": one.c_index, "external C": one.external_c_index, "Dice": one.dice}
    shown = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
    return f"{shown} ({one.source})" if shown else one.source


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
