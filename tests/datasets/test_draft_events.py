"""Codes of events: read by meaning, or left to be filled in."""

from __future__ import annotations

import pytest
from draft_tables import EVENTS, IDS, MONTHS, N, coded, draft, endpoint, table
from survbench.datasets.cards.card import parse_card
from survbench.datasets.vocabulary.events import coding
from survbench.errors import BenchError


@pytest.mark.parametrize(
    ("column", "event", "censored"),
    [
        ("event", 1, 0),
        ("censuré", "NON", "OUI"),
        ("Censurée", 0, 1),
        ("PFSCENSORED", 0, 1),
        ("Died (Y/N)", "Y", "N"),
        ("OSSTAT", 1, 0),
        ("status (0 alive / 1 dead)", 1, 0),
        ("status [1 dead; 2 alive]", 1, 2),
        ("CNSR", 0, 1),
        ("censored", 0, 1),
        ("censorship", 0, 1),
        ("right_censored", "no", "yes"),
        ("alive", 0, 1),
        ("alive", "no", "yes"),
        ("survived", "FALSE", "TRUE"),
        ("progression_free", 0, 1),
        ("kein_rezidiv", "nein", "ja"),
        ("death", "True", "False"),
        ("décès", "oui", "non"),
        ("Exitus", "Sí", "No"),
        ("deadstatus.event", 1, 0),
        ("status (1=dead; 0=alive)", 1, 0),
        ("vital (0=dead; 1=alive)", 0, 1),
        ("OS_STATUS", "1:DECEASED", "0:LIVING"),
        ("OS_STATUS", "dead (1)", "alive (0)"),
        ("status", "Progressed", "Progression free"),
        ("status", "progression", "free of progression"),
        ("status", "Rezidiv", "kein Rezidiv"),
        ("status", "Rezidiv", "rezidivfrei"),
        ("statut", "décédée", "vivante"),
        ("statut", "récidive", "sans récidive"),
        ("estado", "fallecido", "vivo"),
        ("estado", "recidiva", "libre de enfermedad"),
        ("stato", "deceduto", "in vita"),
        ("status", "overleden", "in leven"),
        ("status", "verstorben", "lebend"),
        ("status", "not alive", "alive"),
        ("status", "Uncensored", "Censored"),
        ("status", "dead", "lost to follow-up"),
        ("vital_status", "D", "A"),
        ("LC", "failed", "controlled"),
        ("morto", "Sim", "Não"),
        ("DCD", 1, 0),
    ],
)
def test_codes_are_read_by_meaning(tmp_path, column, event, censored):
    drafted = draft(tmp_path, table(id=IDS, months=MONTHS, **{column: coded(event, censored)}))
    card = parse_card(drafted.text, source="draft")
    assert (card.endpoint.event, card.endpoint.observed, card.endpoint.censored) == (
        column,
        (str(event),),
        (str(censored),),
    )
    assert f"{sum(EVENTS)} of {N} patients had the event" in drafted.text


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("outcome", "A", "B"),
        ("outcome", 1, 0),
        ("vital_status", 1, 0),
        ("overall_survival", 1, 0),
        ("survival_status", 1, 0),
        ("progression_free_survival", 1, 0),
        ("death", 1, 2),  # yes and no of a questionnaire
        ("status", 2, 1),  # 2 is the event in R's survival package, 1 in other tables
        ("vital_status", 2, 1),
        ("censure", 1, 0),  # censoring, not censored
        ("PFSCENS", 1, 0),
        ("cens", 1, 0),  # 1 is the event in GBSG2, the censored elsewhere
        ("status", 3, 7),
        ("LC", 1, 0),  # 1 is controlled as often as it is the failure
        ("LRC_status", 1, 0),
        ("local_control", "yes", "no"),
        ("event", -1, 0),  # of Access
    ],
)
def test_codes_that_do_not_say_are_left_open_with_both_counts(tmp_path, column, first, second):
    drafted = draft(tmp_path, table(id=IDS, months=MONTHS, **{column: coded(first, second)}))
    found = endpoint(drafted)
    assert (found["event"], found["observed"], found["censored"]) == (column, "TODO", "TODO")
    assert f"'{first}' {sum(EVENTS)} of {N}" in drafted.text
    assert f"'{second}' {N - sum(EVENTS)} of {N}" in drafted.text
    with pytest.raises(BenchError, match=r"endpoint.observed \(line \d+\), endpoint.censored"):
        parse_card(drafted.text, source="draft")


STATUSES = ["NED", "AWD", "DOD", "DOC"]


@pytest.mark.parametrize(
    ("kind", "events"),
    [
        ("death", ("DOC", "DOD")),
        ("composite", ("AWD", "DOC", "DOD")),
        ("specific", ("DOD",)),
        (None, ()),
    ],
)
def test_a_status_of_several_codes_depends_on_the_endpoint(kind, events):
    found = coding("status", STATUSES, kind)
    assert found.observed == events
    assert kind is None or set(found.observed + found.censored) == set(STATUSES)
    assert kind is not None or found.readings == (("DOC", "DOD"), ("AWD", "DOC", "DOD"))


def test_long_forms_mean_what_abbreviations_do():
    long = ["Alive without disease", "Alive with disease", "Dead of disease", "Dead of other cause"]
    for kind in ("death", "composite", "specific"):
        short = {long[STATUSES.index(code)] for code in coding("status", STATUSES, kind).observed}
        assert set(coding("status", long, kind).observed) == short


def test_reasons_of_censoring_are_censored():
    found = coding("CNSR", list("0123"), None)
    assert (found.observed, found.censored) == (("0",), ("1", "2", "3"))
    competing = coding("event", list("012"), None)
    assert (competing.observed, competing.readings) == ((), (("0",), ("1",), ("2",)))


def test_unknown_cells_are_missing_and_no_code(tmp_path):
    cells = ["Unknown", *coded(1, 0)[1:]]
    card = parse_card(draft(tmp_path, table(id=IDS, months=MONTHS, event=cells)).text, source="draft")
    assert (card.endpoint.observed, card.endpoint.censored, card.missing) == (("1",), ("0",), ("Unknown",))


def test_a_column_of_one_code_is_read_by_its_name(tmp_path):
    card = parse_card(draft(tmp_path, table(id=IDS, months=MONTHS, dead=[1] * N)).text, source="draft")
    assert (card.endpoint.observed, card.endpoint.censored) == (("1",), ("0",))


def test_bare_1_and_2_are_open_with_the_counts_and_the_convention_of_r(tmp_path):
    drafted = draft(tmp_path, table(id=IDS, months=MONTHS, status=coded(2, 1)))
    assert f"'1' {N - sum(EVENTS)} of {N} or '2' {sum(EVENTS)} of {N} had the event" in drafted.todo[0]
    assert "2 is the event in R's survival package" in drafted.todo[0]


def test_deaths_of_other_causes_are_censored_where_the_legend_says_so(tmp_path):
    name = "CSS status (0 alive; 1 dead of cancer; 2 dead of other cause)"
    status = [2 if e and n % 3 else e for n, e in enumerate(EVENTS)]
    card = parse_card(draft(tmp_path, table(id=IDS, CSS_months=MONTHS, **{name: status})).text, source="draft")
    assert (card.endpoint.observed, card.endpoint.censored) == (("1",), ("0", "2"))


@pytest.mark.parametrize("name", ["lost_to_fu", "Lost to follow-up", "withdrawn", "dropout"])
def test_who_left_the_study_is_no_event(tmp_path, name):
    drafted = draft(tmp_path, table(id=IDS, months=MONTHS, **{name: coded(1, 0)}))
    assert endpoint(drafted)["event"] == "TODO"
    assert not coding(name, ["0", "1"], None).clear
    assert not coding(name, ["0", "1", "2"], None).clear


@pytest.mark.parametrize("times", ["15.6 26.1 110.1 70.5 78.0 1.6", "120 340 77 12 900 12"])
def test_times_of_a_few_patients_are_not_their_events(tmp_path, times):
    months = times.split()
    text = table(patient=IDS[:6], pfs_months=months, progression=["yes", "no"] * 3)
    found = endpoint(draft(tmp_path, text))
    assert (found["time"], found["event"], found["observed"]) == ("pfs_months", "progression", ["yes"])
