"""``bench list``: methods, groups of them, cohorts, profiles, metrics, checks and feature sets, or one described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from survbench.cli.options import AsJson, aligned, examples, say, say_json

CHANNELS = ("pet", "ct")
"""What features are counted for where no cohort is given."""
DECLARED = (
    "family",
    "group",
    "in_all",
    "learner",
    "needs_fit",
    "needs_predict",
    "gives",
    "params",
    "space",
    "tags",
    "reference",
    "published",
    "notes",
)
"""What is shown of a method's declaration, in this order."""
COUNTED = ("parameters", "buffers", "conv_layers", "deep_features")
"""What is shown of a network's size."""
Row = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "list",
        epilog=examples(
            "bench list methods",
            "bench list groups",
            "bench list cohorts",
            "bench list metrics --json",
            "bench list SB306",
            "bench list deepmts",
            "bench list paper-fixed-width --json",
        ),
    )(listing)


def listing(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="methods, groups, cohorts, layouts, profiles, metrics, checks, feature-sets, or a name to describe.",
        ),
    ] = "methods",
    *,
    as_json: AsJson = False,
) -> None:
    """List methods, cohorts and so on, or describe one by its name."""
    if what not in KINDS:
        _describe(what, as_json=as_json)
        return
    kind = KINDS[what]
    rows = kind.rows()
    if as_json:
        say_json(rows)
        return
    for line in aligned([kind.cells(row) for row in rows if kind.shown(row)]):
        say(line)
    if kind.below is not None:
        say(f"\n{kind.below()}")


def _describe(name: str, *, as_json: bool) -> None:
    from survbench.actions.checks import as_code, refuse_unknown
    from survbench.errors import UnknownNameError

    name = as_code(name)
    names = {word: {str(row["name"]) for row in kind.rows()} for word, kind in KINDS.items()}
    found = [kind for word, kind in KINDS.items() if name in names[word]]
    if not found:
        refuse_unknown(name)
        raise UnknownNameError("name", name, set(KINDS).union(*names.values()), see="'bench list --help'")
    described = [(kind.name, *(kind.describe(name) if kind.describe else _row(kind, name))) for kind in found]
    if as_json:
        values = [{"kind": kind, **value} for kind, value, _ in described]
        say_json(values if len(values) > 1 else described[0][1])
        return
    for kind, value, lines in described:
        say(f"{f'{kind} ' if len(described) > 1 else ''}{name}: {value['title']}")
        for line in lines:
            say(f"  {line}")


def _methods() -> list[Row]:
    from survbench.plan.registry import registry

    found = registry()
    rows: list[Row] = [
        {
            "name": m.name,
            "group": m.group,
            "family": m.family,
            "title": m.title,
            "in_all": m.in_all,
            "available": True,
            "gives": sorted(m.gives),
            "needs_fit": sorted(m.needs_fit),
            "needs_predict": sorted(m.needs_predict),
            "tags": sorted(m.tags),
        }
        for m in found.methods.values()
    ]
    rows += [
        {"name": b.name, "group": "", "family": "broken", "title": b.reason, "available": False, "reason": b.reason}
        for b in found.broken
    ]
    return rows


def _groups() -> list[Row]:
    from survbench.api import GROUPS
    from survbench.plan.registry import registry

    return [
        {
            "name": name,
            "by": each.kind,
            "methods": list(each.methods),
            "title": GROUPS[name] if each.kind == "group" else f"methods of this {each.kind}",
        }
        for name, each in registry().groups().items()
    ]


def _below_methods() -> str:
    from survbench.plan.registry import registry

    found = registry()
    pairs = [info.name for info in found.methods.values() if not info.in_all]
    if not pairs:
        return _groups_line()
    return (
        f"{_groups_line()}\nLearners for --methods: {', '.join(found.learners())}.\n"
        f"{len(pairs)} more pairs <source>-<learner> run by their names, for example {pairs[0]}: they are in no group "
        "and not in all. 'bench list --json' has them."
    )


def _groups_line() -> str:
    known = [row for row in _groups() if row["by"] == "group" and row["methods"]]
    names = ", ".join(f"@{row['name']} ({len(row['methods'])})" for row in known)
    return f"Groups for --methods: {names}. 'bench list groups' describes them; a family or a tag is taken, too."


def _cohorts() -> list[Row]:
    from survbench.datasets.cohorts.named import cohort_summaries

    return list(cohort_summaries())


def _profiles() -> list[Row]:
    from survbench.plan.profile import builtin_profiles

    return [{"title": p.description, **p.model_dump(mode="json")} for p in builtin_profiles().values()]


def _metrics() -> list[Row]:
    from survbench.leaderboard.text.columns import metrics

    return [{"name": m.name, "where": m.where, "title": m.meaning} for m in metrics()]


def _checks() -> list[Row]:
    import inspect

    from survbench.actions.checks import all_checks

    return [
        {
            "name": check.code,
            "title": check.title,
            "what_to_do": check.remedy,
            "severity": check.severity,
            "about": check.part,
            "can_be_ignored": check.ignorable,
            "why": " ".join((inspect.getdoc(check) or "").split()).replace("``", ""),
        }
        for check in all_checks()
    ]


def _feature_sets() -> list[Row]:
    from survbench.features.feature_sets import feature_sets

    return [
        {"name": s.name, "features": len(s.names(CHANNELS)), "bins": str(s.bins), "title": s.title}
        for s in feature_sets().values()
    ]


def _layouts() -> list[Row]:
    from survbench.datasets.layouts.layout import layout_names, load_layout

    return [
        {
            "name": layout.name,
            "title": layout.title,
            "images": "DICOM" if layout.nifti is None else "NIfTI",
            "endpoint": layout.outcome.name,
            "cards": ["cohort", *layout.selections],
            "licence": layout.licence,
        }
        for layout in map(load_layout, layout_names())
    ]


def _method(name: str) -> tuple[Row, list[str]]:
    from survbench.plan.registry import describe, registry
    from survbench.work.construct import construct

    method = registry().get(name)
    described = describe(method)
    size = getattr(construct(method.target, method.params), "describe", None)
    described.update({} if size is None else size())
    shown = {**described, "space": dict(method.space)}
    lines = _lines({key: shown[key] for key in DECLARED})
    counted = {key: f"{described[key]:,}  (two channels, one clinical column)" for key in COUNTED if key in described}
    return described, [*lines, *_lines(counted)]


def _feature_set(name: str) -> tuple[Row, list[str]]:
    from survbench.features.feature_sets import feature_set

    chosen = feature_set(name)
    count = len(chosen.names(CHANNELS))
    per_image = sum(map(len, chosen.features.values()))
    names = {
        group: f"{len(members)}: {', '.join(members)}"
        for group, members in [*chosen.features.items(), ("shape", chosen.shape)]
    }
    shown = {
        "why": chosen.why,
        "features": f"{per_image} of each image, {len(chosen.shape)} of the shape: {count} of PET and CT",
        "bins": str(chosen.bins),
        "images": f"{', '.join(chosen.images)} (wavelet {chosen.wavelet})",
        **names,
    }
    return {**chosen.model_dump(mode="json"), "count": count}, _lines(shown)


def _row(kind: Kind, name: str) -> tuple[Row, list[str]]:
    row = next(row for row in kind.rows() if row["name"] == name)
    return row, _lines({key: value for key, value in row.items() if key not in {"name", "title", "description"}})


def _lines(fields: Row) -> list[str]:
    """Return a line for each field that says something."""
    return [f"{key:<14} {_in_words(value)}" for key, value in fields.items() if value not in ("", None, [], {})]


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if not isinstance(value, dict):
        return str(value)
    parts = ((name, f"({_in_words(part)})" if isinstance(part, dict) else part) for name, part in value.items())
    return ", ".join(f"{name} {part}" for name, part in parts if part is not None)


def _columns(*keys: str) -> Callable[[Row], tuple[str, ...]]:
    return lambda row: tuple(str(row[key]) for key in keys)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that can be listed.

    Attributes:
        name: of one of them.
        rows: all of them, each with a ``name`` and a ``title``.
        cells: what a line of the list shows of a row.
        describe: by a name, the thing as JSON with its ``title``, and the lines below the title; None: its row.
        below: a line to stand below the list.
        shown: whether a row stands in the list; JSON has all of them.
    """

    name: str
    rows: Callable[[], list[Row]]
    cells: Callable[[Row], tuple[str, ...]]
    describe: Callable[[str], tuple[Row, list[str]]] | None = None
    below: Callable[[], str] | None = None
    shown: Callable[[Row], bool] = lambda _row: True


KINDS = {
    "methods": Kind(
        "method",
        _methods,
        lambda row: (row["name"], row["group"], row["family"], row["title"]),
        _method,
        below=_below_methods,
        shown=lambda row: row.get("in_all", True),
    ),
    "groups": Kind(
        "group of methods",
        _groups,
        lambda row: (row["name"], row["by"], str(len(row["methods"])), row["title"]),
    ),
    "cohorts": Kind("cohort", _cohorts, _columns("name", "title")),
    "profiles": Kind("profile", _profiles, _columns("name", "title")),
    "metrics": Kind("metric", _metrics, _columns("name", "where", "title")),
    "checks": Kind("check", _checks, _columns("name", "severity", "about", "title")),
    "feature-sets": Kind(
        "feature set",
        _feature_sets,
        lambda row: (row["name"], f"{row['features']} features", row["bins"], row["title"]),
        _feature_set,
    ),
    "layouts": Kind("layout", _layouts, _columns("name", "images", "title")),
}
"""By the word that lists them."""
