"""Jobs: the units that are cached, run in their own process and may fail alone.

A job is a JSON object whose ``key`` hashes what changes its result and nothing else. External cohorts, horizons,
the reference method and the contrasts stand in no fit's key.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from survbench.api import MethodInfo, Selection
from survbench.cohort import Need
from survbench.hashing import digest
from survbench.profile import Training
from survbench.store import SCHEMA

Kind = Literal["fit", "predict"]
IN_EVERY_JOB = ("survbench.cohort", "survbench.metrics", "survbench.protocol", "survbench.volume", "survbench.worker")
"""Modules of ours whose code decides what a job computes, whatever the method."""
Job = Mapping[str, Any]
"""``{"kind", "key", "spec", ...}``; ``spec`` is what the key hashes, the rest says where to find things."""


def fit_job(
    info: MethodInfo,
    *,
    cohort: str,
    rows: Mapping[str, Mapping[str, Any]],
    outcomes: Mapping[str, Sequence[Any]],
    declared: Mapping[str, Any],
    train: Sequence[str],
    test: Sequence[str],
    seed: int,
    fold: int,
    selection: Selection,
    training: Training,
    device: str,
    timeout_s: float,
    upstream: Job | None = None,
) -> dict[str, Any]:
    """Return the job that fits a method on ``train`` and predicts ``test``.

    Args:
        info: the method.
        cohort: fingerprint of the prepared cohort.
        rows: prepared row of each patient, by id.
        outcomes: (time, event) of each patient, by id.
        declared: ``channels`` and ``clinical_columns`` of the card.
        train: ids of the training fold, sorted.
        test: ids of the test fold, sorted.
        seed: seed of the run.
        fold: number of the fold.
        selection: checkpoint selection; in the key of methods that select only.
        training: budget of networks.
        device: ``cpu`` or ``cuda``.
        timeout_s: how long the job may take; not in the key.
        upstream: the fit whose features this one takes, of the same fold and seed.
    """
    spec = {
        "kind": "fit",
        "schema": SCHEMA,
        "method": info.name,
        "target": info.target,
        "version": info.version,
        "code": source_fingerprint(info.target.partition(":")[0]),
        "params": dict(info.params),
        "seed": seed,
        "fold": fold,
        "selection": selection if info.selects else "last",
        "training": training.model_dump(mode="json"),
        "device": device if info.resources.gpu else "cpu",
        "train": _inputs_digest(train, rows, info.needs_fit, outcomes, declared),
        "test": _inputs_digest(test, rows, info.needs_predict | _scored(info), outcomes, declared),
        # its key covers the inputs of the features, and all that made them
        "upstream": upstream["key"] if upstream else None,
    }
    return {
        "kind": "fit",
        "key": digest(spec)[:32],
        "spec": spec,
        "method": info.name,
        "seed": seed,
        "fold": fold,
        "cohort": cohort,
        "train": list(train),
        "test": list(test),
        "gives": sorted(info.gives),
        "needs_fit": sorted(info.needs_fit),
        "needs_predict": sorted(info.needs_predict),
        "upstream": upstream
        and {
            "key": upstream["key"],
            "target": upstream["spec"]["target"],
            "params": upstream["spec"]["params"],
            "needs_predict": upstream["needs_predict"],
        },
        "threads": info.resources.cpus,
        "timeout_s": timeout_s,
    }


def predict_job(
    fit: Job,
    *,
    cohort: str,
    cohort_name: str,
    rows: Mapping[str, Mapping[str, Any]],
    outcomes: Mapping[str, Sequence[Any]],
    declared: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the job that lets the model of ``fit`` predict every patient of an external cohort."""
    ids = sorted(rows)
    above = fit["upstream"]["needs_predict"] if fit["upstream"] else ()
    needs = {*fit["needs_predict"], *above, *(("mask",) if "segmentation" in fit["gives"] else ())}
    spec = {
        "kind": "predict",
        "schema": SCHEMA,
        "fit": fit["key"],
        "cohort": cohort_name,
        "test": _inputs_digest(ids, rows, needs, outcomes, declared),
    }
    kept = {k: fit[k] for k in ("method", "seed", "fold", "gives", "needs_predict", "upstream", "threads", "timeout_s")}
    return {
        **kept,
        "kind": "predict",
        "key": digest(spec)[:32],
        "spec": spec,
        "fit": {"key": fit["key"], "target": fit["spec"]["target"], "params": fit["spec"]["params"]},
        "device": fit["spec"]["device"],
        "cohort": cohort,
        "cohort_name": cohort_name,
        "test": ids,
    }


def _scored(info: MethodInfo) -> frozenset[Need]:
    return frozenset({"mask"}) if "segmentation" in info.gives else frozenset()


def _inputs_digest(
    ids: Iterable[str],
    rows: Mapping[str, Mapping[str, Any]],
    needs: Iterable[str],
    outcomes: Mapping[str, Sequence[Any]],
    declared: Mapping[str, Any],
) -> str:
    """Hash what a method sees of some patients, and how the card declares it: the order of channels, and the kind and
    levels of clinical columns, change what the same values mean.
    """
    allowed = frozenset(needs)
    content: list[Any] = [
        declared["channels"] if "images" in allowed else None,
        declared["clinical_columns"] if "clinical" in allowed else None,
    ]
    for subject in ids:
        row = rows[subject]
        volumes = {k: v for k, v in row["volumes"].items() if ("mask" if k == "mask" else "images") in allowed}
        clinical = row["clinical"] if "clinical" in allowed else None
        radiomics = row["radiomics"] if "radiomics" in allowed else None
        truth = row.get("truth") if "truth" in allowed else None
        content.append([subject, row["centre"], list(outcomes[subject]), volumes, clinical, radiomics, truth])
    return digest(content)


@cache
def source_fingerprint(module: str) -> str:
    """Return a hash of a module's source, of every module it imports from its own package, ``survbench.models`` or
    ``survbench.features``, and of our modules that run in every job, so that changed code is a changed key without a
    version to raise.

    A module without source (a compiled one) contributes its name.
    """
    seen: dict[str, str] = {}
    waiting = [module, *IN_EVERY_JOB]
    top = module.partition(".")[0]
    prefixes = ("survbench.models", "survbench.features", *IN_EVERY_JOB, *([top] if top != "survbench" else []))
    while waiting:
        name = waiting.pop()
        if name in seen or not name.startswith(prefixes):
            continue
        text = _source(name)
        seen[name] = digest(text)
        waiting += _imports(text, name)
    return digest(seen)


def _source(name: str) -> str:
    spec = _spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    return Path(spec.origin).read_text(encoding="utf-8")


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except ModuleNotFoundError:  # a function of a module, not a module
        return None


def _is_package(name: str) -> bool:
    spec = _spec(name)
    return spec is not None and spec.submodule_search_locations is not None


def _imports(text: str, module: str) -> list[str]:
    package = module if _is_package(module) else module.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            base = ".".join(filter(None, [parent if node.level else "", node.module or ""]))
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return found


def describe(info: MethodInfo) -> dict[str, Any]:
    """Return a method's declaration as JSON for ``bench info`` and ``bench list``."""
    raw = asdict(info)
    for name in ("needs_fit", "needs_predict", "modalities", "gives", "tags"):
        raw[name] = sorted(raw[name])
    return raw
