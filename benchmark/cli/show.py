"""Verbs that show what there is: ``list``, ``info``, ``status``, ``logs``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from survbench.cli.text import DEFAULT_OUT, AsJson, Out, examples, say, say_json

BOARD, COMPARE = "leaderboard.json", "bench compare"
METRICS = {
    "c_index": (
        BOARD,
        "Harrell's C: mean over folds, averaged over seeds; ties count half. 0.5 is chance, 1 is perfect.",
    ),
    "external_c_index": (BOARD, "Harrell's C of the ensemble of the fold models on the external cohort."),
    "c_index_pooled": (BOARD, "Harrell's C over all within-fold pairs together."),
    "uno_c": (BOARD, "Uno's C: concordance up to tau, weighted for censoring by the training fold's distribution."),
    "auc": (BOARD, "Cumulative/dynamic area under the ROC curve at each horizon (had the event by then or not)."),
    "brier": (BOARD, "Brier score of the predicted survival at each horizon, weighted for censoring; 0 is perfect."),
    "ibs": (BOARD, "Brier score integrated from 0 to tau, over tau."),
    "d_calibration": (BOARD, "Chi-squared p that predicted survival at patients' own times is uniform (Haider 2020)."),
    "calibration": (BOARD, "At each horizon observed over expected events, and the mean distance of groups by risk."),
    "risk_groups": (
        "survbench.risk_groups",
        "Halves by the median risk of each fold: Kaplan-Meier, log-rank p by permutation, hazard ratio.",
    ),
    "dice": (BOARD, "Overlap of predicted and manual tumour mask, mean over test patients, for methods that segment."),
    "hd95": (BOARD, "95th percentile of the distance between the surfaces of predicted and manual mask, in mm."),
    "difference": (BOARD, "C-index minus that of the reference method, with its paired bootstrap interval."),
    "p": (BOARD, "Paired infinitesimal-jackknife test of the C-index difference from the reference method."),
    "p_holm": (BOARD, "The same, adjusted by Holm over all ranked methods."),
    "p_bh": (BOARD, "The same, adjusted by Benjamini and Hochberg (false discovery rate)."),
    "p_bootstrap": (BOARD, "Paired bootstrap of the difference; at least 2 / (resamples + 1)."),
    "p.compareC": (COMPARE, "compareC (Kang 2015): the difference with a one-shot variance."),
    "p.permutation": (COMPARE, "Exchange of the two ranks of random patients; for small cohorts."),
    "rank_low": (BOARD, "95 % bootstrap interval of a method's rank: its better end; rank_high is the other."),
    "tie_groups": (BOARD, "Runs of the ranking in which no two methods are told apart (Holm over all pairs)."),
    "smallest_detectable_difference": (BOARD, "Difference of C that the cohort shows at 5 % with 80 % power."),
}
"""By name (with dots between the keys of nested JSON): where it is to be found, and what it is."""
INFO = ("family", "needs_fit", "needs_predict", "gives", "params", "space", "tags", "reference", "published", "notes")
"""What ``bench info`` shows of a declaration, in this order."""


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("list", epilog=examples("bench list methods", "bench list cohorts", "bench list metrics --json"))(
        listing
    )
    app.command("info", epilog=examples("bench info deepmts", "bench info radiomics-lasso-cox --json"))(info)
    app.command("status", epilog=examples("bench status", "bench status --out results --json"))(status)
    app.command("logs", epilog=examples("bench logs 1a2b3c4d", "bench logs deepmts"))(logs)


def listing(
    what: Annotated[Literal["methods", "cohorts", "profiles", "metrics"], typer.Argument(help="What to list.")],
    *,
    as_json: AsJson = False,
) -> None:
    """List methods, cohorts, profiles or metrics."""
    rows = {"methods": _methods, "cohorts": _cohorts, "profiles": _profiles, "metrics": _metrics}[what]()
    if as_json:
        say_json(rows)
        return
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        family = f"{row['family']:<14}" if "family" in row else ""
        where = f" [{row['where']}]" if "where" in row else ""
        say(f"{row['name']:<{width}}  {family}{row['title']}{where}")


def _methods() -> list[dict[str, Any]]:
    from survbench.registry import registry

    found = registry()
    rows: list[dict[str, Any]] = [
        {
            "name": m.name,
            "family": m.family,
            "title": m.title,
            "available": True,
            "gives": sorted(m.gives),
            "needs_fit": sorted(m.needs_fit),
            "needs_predict": sorted(m.needs_predict),
            "tags": sorted(m.tags),
        }
        for m in found.methods.values()
    ]
    rows += [
        {"name": b.name, "family": "broken", "title": b.reason, "available": False, "reason": b.reason}
        for b in found.broken
    ]
    return rows


def _cohorts() -> list[dict[str, Any]]:
    from survbench.datasets.named import cohort_summaries

    return list(cohort_summaries())


def _profiles() -> list[dict[str, Any]]:
    from survbench.profile import builtin_profiles

    return [{"title": p.description, **p.model_dump(mode="json")} for p in builtin_profiles().values()]


def _metrics() -> list[dict[str, Any]]:
    return [{"name": name, "where": where, "title": title} for name, (where, title) in METRICS.items()]


def info(name: Annotated[str, typer.Argument(help="A method.")], *, as_json: AsJson = False) -> None:
    """Describe a method: what it needs and gives, its size, source and published results."""
    from survbench.job import describe
    from survbench.registry import construct, registry

    method = registry().get(name)
    described = describe(method)
    size = getattr(construct(method.target, method.params), "describe", None)
    described.update({} if size is None else size())
    if as_json:
        say_json(described)
        return
    say(f"{method.name}: {method.title}")
    words = {**described, "space": dict(method.space)}
    for key in INFO:
        value = words[key]
        if value:
            say(f"  {key:<14} {_in_words(value)}")
    for key in ("parameters", "buffers", "conv_layers", "deep_features"):
        if key in described:
            say(f"  {key:<14} {described[key]:,}  (two channels, one clinical column)")


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{name} {part}" for name, part in value.items() if part is not None)


def status(out: Out = DEFAULT_OUT, *, as_json: AsJson = False) -> None:
    """Show what is done, failed and pending in an output folder."""
    from survbench.store import Store
    from survbench.study import find_studies

    out = out.expanduser().absolute()
    store = Store(out)
    rows: list[dict[str, Any]] = []
    for study in find_studies(out):
        for entry in study.entries:
            keys = [key for seeds in (entry.tunes, entry.fits, entry.predicts) for folds in seeds for key in folds]
            states = Counter(_state(store, key) for key in keys)
            if entry.skipped:
                states["skipped"] = 1
            rows.append({"study": study.name, "method": entry.name, "states": dict(sorted(states.items()))})
    if as_json:
        say_json(rows)
        return
    if not rows:
        say(f"Nothing has run under {out}. Start with 'bench run'.")
    shown = ""
    for row in rows:
        if row["study"] != shown:
            shown = str(row["study"])
            say(shown)
        counts = ", ".join(f"{count} {state}" for state, count in row["states"].items())
        say(f"  {row['method']:<24} {counts}")


def _state(store: Any, key: str) -> str:
    if store.is_done(key):
        return "ok"
    run = store.read(key)
    if (store.root / "scratch" / key).is_dir() and (store.root / ".holder").exists():
        return "running"
    return run.status if run is not None and run.status != "ok" else "pending"


def logs(
    job: Annotated[str, typer.Argument(help="The start of a job's key, or a method's name.")], out: Out = DEFAULT_OUT
) -> None:
    """Show how jobs ended, and what they printed."""
    from survbench.errors import BenchError
    from survbench.job import label
    from survbench.store import Store

    store = Store(out.expanduser().absolute())
    folders = sorted(p.parent for p in (store.root / "runs").glob("*/run.json"))
    runs = [run for folder in folders if (run := store.read(folder.name)) is not None]
    chosen = [run for run in runs if run.key.startswith(job) or run.job["method"] == job]
    if not chosen:
        raise BenchError(
            f"No job under {store.root} is called {job!r}. 'bench status' shows the methods that have run."
        )
    for run in chosen:
        say(f"{run.key}  {label(run.job)}: {run.status}")
        error = run.record.get("error")
        if error:
            say(f"{error['type']}: {error['message']}")
            say(error["traceback"])
        text = _read(run.folder / "log.txt")
        if text:
            say(text)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").rstrip() if path.is_file() else ""
