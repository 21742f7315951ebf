"""A build parses the predictions of each run once, however many pages and tables are made of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import toy_site
from survbench.plan.study import find_studies
from survbench.runs.store import Store


def test_the_predictions_of_each_run_are_parsed_once_in_a_build(tmp_path, monkeypatch):
    toy_site.fill(tmp_path)
    (study,) = find_studies(tmp_path)
    read, parse = Counter(), pd.read_parquet

    def counted(path, **options):
        read[Path(path)] += 1
        return parse(path, **options)

    monkeypatch.setattr(pd, "read_parquet", counted)
    toy_site.build(study, Store(tmp_path))
    predictions = {path: count for path, count in read.items() if path.name == "predictions.parquet"}
    assert set(predictions) >= {tmp_path / "runs" / f"mt-hs-0-{fold}" / "predictions.parquet" for fold in range(3)}
    assert set(predictions.values()) == {1}
