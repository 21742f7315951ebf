"""Which code of a column is the event: by its name, its words, or what the user says."""

from __future__ import annotations

import pytest
from survbench.errors import BenchError
from survbench.evaluation.event_codes import event_codes


@pytest.mark.parametrize(
    ("column", "cells", "observed"),
    [
        ("event", "0 1", "1"),
        ("status", "0 1", "1"),
        ("died", "no yes", "yes"),
        ("event", "FALSE TRUE", "TRUE"),
        ("censorship", "0 1", "0"),
        ("CNSR", "0 1", "0"),
        ("censored", "true false", "false"),
        ("dead", "1 1", "1"),
        ("alive", "1 0", "0"),
        ("lebt", "ja nein", "nein"),
        ("vivant", "oui non", "non"),
        ("survivor", "1 0", "0"),
        ("progression_free", "1 0", "0"),
        ("not_censored", "0 1", "1"),
        ("uncensored", "0 1", "1"),
        ("status", "alive dead", "dead"),
        ("vital_status", "0:LIVING 1:DECEASED", "1:DECEASED"),
    ],
)
def test_codes_are_read_by_name_and_by_words(column, cells, observed):
    found = event_codes(column, cells.split())
    assert found.observed == (observed,)
    assert set(found.censored) == set(cells.split()) - {observed}


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("status", "X Y"),
        ("status", "1 3"),
        ("alive", "1 2"),
        ("survival", "0 1"),
        ("censored_event", "0 1"),
        ("cens", "0 1"),  # 1 is the event in GBSG2, the censored elsewhere
        ("status", "1 2"),  # 2 is the event in R's survival package alone
        ("case", "0 1"),
        ("event", "0 1 2"),
    ],
)
def test_codes_that_do_not_say_are_refused_with_their_counts_and_taken_as_told(column, cells):
    with pytest.raises(BenchError, match=r"\(1\).*--event-code"):
        event_codes(column, cells.split())
    first, *others = cells.split()
    assert event_codes(column, cells.split(), first).observed == (first,)
    assert set(event_codes(column, cells.split(), first).censored) == set(others)
    with pytest.raises(BenchError, match="No cell of column"):
        event_codes(column, cells.split(), "9")


@pytest.mark.parametrize("unknown", ["9", "-99", "-88", "-777", "99.9", "888888", "-32768"])
def test_a_number_that_is_written_for_missing_is_not_censored(unknown):
    with pytest.raises(BenchError, match=f"holds '{unknown}' beside '1'"):
        event_codes("relapse", f"0 1 1 {unknown}".split(), "1")


def test_a_small_negative_number_is_a_code_as_others():
    assert event_codes("relapse", ["-1", "0", "1"], "1").censored == ("-1", "0")
