"""One patient, given value by value, is read as the table of the cohort is."""

from __future__ import annotations

import pytest
from survbench.datasets.cards.card import parse_card
from survbench.datasets.cohorts.new_patients import OnePatient, needed_part, read_one
from survbench.errors import BenchError
from table_cohort import CARD

OF_CENTRES = parse_card(CARD.replace("endpoint:", "centre: hospital\nmissing: [999]\nendpoint:"), source="card")


def read(needs, **given):
    return read_one(needed_part(OF_CENTRES, needs), OnePatient(id="A", **given)).source.cohort.subjects[0]


def test_a_code_of_the_card_for_missing_values_is_a_missing_value():
    assert read({"clinical"}, clinical={"age": "999.0"}).clinical == {"age": None}
    assert read({"clinical"}, clinical={"age": "99"}).clinical == {"age": 99.0}


def test_the_centre_is_asked_for_where_the_method_sees_it():
    assert read({"clinical", "centres"}, centre="999").centre == "999"
    with pytest.raises(BenchError, match=r"needs the patient's centre, as column 'hospital'.*--centre NAME"):
        read({"clinical", "centres"})
    with pytest.raises(BenchError, match="Leave out --centre"):
        read({"clinical"}, centre="B")
