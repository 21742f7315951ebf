"""What a study shows to others, with pseudonyms in place of its patients' ids. The study itself keeps the ids: only
copies that leave it, the site and what goes to MLflow, are made by :meth:`Pseudonyms.content`.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from survbench.datasets.ingest.pseudonyms import pseudonym, read_or_make_key
from survbench.errors import BenchError
from survbench.evaluation.traces import NUMBER_EDGES, is_number
from survbench.io.hashing import digest
from survbench.io.paths import expanded
from survbench.io.study_files import SPLITS
from survbench.plan.job import TuneJob
from survbench.plan.protocol import splits_json
from survbench.plan.study import Study
from survbench.runs.store import Store

TEXTS = frozenset({".csv", ".html", ".md", ".svg", ".tex", ".txt"})
"""Kinds of files in which an id may stand anywhere."""
PLAIN_ID = re.compile(r"\w{1,2}|[\d.,]{1,4}")
"""Ids that look like any other short number or letter, of which a text has many."""
_BEFORE = r"\b(?:patients?|subjects?|cases?|ids?|rows?)\b[\s:=#'\"(]*"
"""What must stand before such an id in a text."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Pseudonyms of the patients of a study, by id."""

    of: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Hash of who is called what."""
        return digest(sorted(self.of.items()))

    def name(self, patient: str) -> str:
        """Return a patient's pseudonym; of somebody else, nothing that tells who it is."""
        return self.of.get(patient, "unknown")

    def text(self, text: str) -> str:
        """Return text with pseudonyms for ids, but inside longer words and numbers. A number of up to four characters,
        or one or two letters, count as an id only behind a word such as "patient": they may mean anything else.
        """
        for patient, name in sorted(self.of.items(), key=lambda item: -len(item[0])):
            for spelled in {patient, html.escape(patient)}:
                if spelled in text:
                    before = _BEFORE if PLAIN_ID.fullmatch(patient) else ""
                    behind, ahead = NUMBER_EDGES if is_number(patient) else ("", "")
                    word = rf"(?<![^\W_]){behind}{re.escape(spelled)}(?![^\W_]){ahead}"
                    found = rf"(?P<before>{before}){word}"
                    text = re.sub(found, rf"\g<before>{name}", text, flags=re.IGNORECASE if before else 0)
        return text

    def json(self, value: Any) -> Any:
        """Return JSON with pseudonyms for ids; a list of ids is sorted again, as their order would tell."""
        if isinstance(value, str):
            return self.of.get(value) or self.text(value)
        if isinstance(value, Mapping):
            return {self.json(key): self.json(each) for key, each in value.items()}
        if isinstance(value, list):
            named = [self.json(each) for each in value]
            return sorted(named) if value and all(isinstance(v, str) and v in self.of for v in value) else named
        return value

    def content(self, path: Path) -> bytes:
        """Return what a copy of a file holds."""
        if path.suffix == ".json":
            value = self.json(json.loads(path.read_text(encoding="utf-8")))
            value = splits_json(value["folds"]) if path.name == SPLITS else value
            return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()
        if path.suffix == ".parquet":
            return self._table(path)
        return self.text(path.read_text(encoding="utf-8")).encode() if path.suffix in TEXTS else path.read_bytes()

    def _table(self, path: Path) -> bytes:
        import pandas as pd

        table = pd.read_parquet(path)
        if "id" not in table.columns:
            return path.read_bytes()
        table["id"] = pd.array([self.name(i) for i in table["id"]], dtype="string")
        stream = io.BytesIO()
        table.sort_values("id", ignore_index=True).to_parquet(stream)
        return stream.getvalue()


def pseudonyms_of(study: Study, store: Store, key: Path | None) -> Pseudonyms | None:
    """Return the pseudonyms of everybody whom a study names; None without a key.

    Args:
        study: the study.
        store: its runs, which name the external patients.
        key: file of the key, which is made where there is none; the key of ``bench cohort ingest`` has the same form.

    Raises:
        BenchError: the key lies in the output folder, the file holds none, or two patients would share a pseudonym.
    """
    if key is None:
        return None
    secret = read_or_make_key(expanded(key), outside=store.root)
    ids = {i for fold in study.protocol.folds for i in fold} | set(study.cohort.left_out)
    ids |= set(study.external.left_out if study.external else ())
    for run in filter(None, map(store.read, study.run_keys())):
        ids |= set(() if isinstance(run.job, TuneJob) else run.job.test)
    names = {patient: pseudonym(patient, secret) for patient in sorted(ids)}
    if len(set(names.values())) < len(names):
        raise BenchError(f"Two patients would share a pseudonym. Give another key than {key}.")
    return Pseudonyms(names)
