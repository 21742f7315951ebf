"""Rows of a table as patients: times, events, clinical values and ids."""

from __future__ import annotations

import pytest
from cohort_folder import CARD
from survbench.datasets.cards.card import parse_card
from survbench.datasets.readers.patients import numbered, parse_patients
from survbench.errors import BenchError
from survbench.io.tables import read_table


def table(tmp_path, text, name="t.csv", encoding="utf-8"):
    (tmp_path / name).write_text(text, encoding=encoding)
    return read_table(tmp_path / name)


HEAD = "patient,months,event,age,sex\n"


def problems(tmp_path, rows, card=CARD):
    parsed = parse_patients(parse_card(card, source="card"), table(tmp_path, HEAD + rows))
    return {p.subject: p.what for p in parsed.findings}, parsed


@pytest.mark.parametrize("time", ["0", "-3", "", "nan", "12,5", "inf"])
def test_times_that_are_none_are_named(tmp_path, time):
    cell = f'"{time}"'
    found, parsed = problems(tmp_path, f"a,{cell},1,50,f\nb,3,0,50,f\n")
    assert (f"must be numbers above 0: {time!r}" if time else "No time in column 'months'") in found["a"]
    assert [p.id for p in parsed.patients] == ["b"]


@pytest.mark.parametrize("event", ["2", "maybe"])
def test_events_outside_the_cards_codes_are_named(tmp_path, event):
    found, parsed = problems(tmp_path, f"a,5,{event},50,f\nb,5,1,50,f\n")
    assert f"holds {event!r} (1 row: a); the card lists 1 (observed) and 0 (censored)" in found[""]
    assert parsed.patients == (), "no patient may be left out for it"


def test_missing_clinical_values_stay_missing_and_wrong_levels_get_a_suggestion(tmp_path):
    found, parsed = problems(tmp_path, "a,5,1,NA,\nb,5,1,50,F\n")
    assert parsed.patients[0].clinical == {"age": None, "sex": None}
    assert "'F', did you mean 'f'?" in found["b"]


def test_a_code_cannot_mean_both(tmp_path):
    card = CARD.replace("unit: months}", "unit: months, observed: [1, 2], censored: [0, 2.0]}")
    found, parsed = problems(tmp_path, "a,5,1,50,f\n", card)
    assert "means both an event and censoring" in found[""]
    assert parsed.patients == ()


def test_ids_that_look_alike_are_named(tmp_path):
    found, _ = problems(tmp_path, "\ufb01x,5,1,50,f\nfix,6,0,50,f\n")
    assert "looks the same" in found["fix"]


MISSING_CARD = CARD.replace("clinical:", "missing: [Unknown, -999, 77]\nclinical:")


def test_cells_that_the_card_calls_missing_are_missing_and_never_an_outcome(tmp_path):
    card = parse_card(MISSING_CARD, source="card")
    rows = "a,5,1,-999.0,unknown\nb,-999,0,50,f\nc,5,Unknown,50,f\n77,5,1,50,#N/A\n"
    parsed = parse_patients(card, numbered(card, table(tmp_path, HEAD + rows)))
    assert {p.id: p.clinical for p in parsed.patients} == {
        "a": {"age": None, "sex": None},
        "77": {"age": 50.0, "sex": None},
    }
    assert {p.subject for p in parsed.findings} == {"b", "c"}


def test_a_level_or_a_code_that_the_card_names_is_not_missing(tmp_path):
    card = MISSING_CARD.replace("[f, m]", "[f, m, Unknown]").replace("unit: months}", "unit: months, censored: [-999]}")
    card = parse_card(card, source="card")
    parsed = parse_patients(card, numbered(card, table(tmp_path, HEAD + "a,5,-999,50,Unknown\n")))
    assert [(p.event, p.clinical["sex"]) for p in parsed.patients] == [(False, "Unknown")]


def test_what_is_to_be_filled_in_is_named_by_key_and_line():
    card = CARD.replace("months, event: event, unit: months", "TODO, event: event, unit: months, observed: TODO")
    with pytest.raises(BenchError, match=r"endpoint.time \(line 5\), endpoint.observed \(line 5\) are TODO"):
        parse_card(card, source="card")
