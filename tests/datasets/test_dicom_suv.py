"""SUV by body weight: five vendors' headers with known factors, and a case for every unit, correction and odd time."""

import math

import pytest
from dicom_files import pet_header
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from reference_values import stored
from survbench.datasets.dicom.suv import Corrections, suv_conversion
from survbench.datasets.readers.errors import ImageError

HOUR = 75_000 / (300e6 * 0.5 ** (3600 / 6586.2))
"""The factor of `pet_header`: 75 kg, 300 MBq of F-18, one hour."""


def factor(*headers, **given):
    return suv_conversion(headers, Corrections(**given)).factors[0]


def philips(header, *, suv=None, activity=None, block=0x10, creator="Philips PET Private Group"):
    if creator:
        header.add_new((0x7053, block), "LO", creator)
    for element, value in ((0x00, suv), (0x09, activity)):
        if value is not None:
            header.add_new((0x7053, block << 8 | element), "DS", str(value))
    return header


VENDORS = stored("suv_headers.json")


@pytest.mark.parametrize("name", VENDORS)
def test_vendors_headers_give_the_factors_of_a_clinical_viewer(name):
    headers = []
    for values in VENDORS[name]["headers"]:
        header, injection = Dataset(), Dataset()
        private = {
            "suv": values.pop("SUVScaleFactor", None),
            "activity": values.pop("ActivityConcentrationScaleFactor", None),
        }
        for keyword, value in values.items():
            setattr(injection if keyword.startswith("Radi") else header, keyword, value)
        header.RadiopharmaceuticalInformationSequence = Sequence([injection])
        headers.append(philips(header, **private))
    found = suv_conversion(headers)
    assert found.factors == pytest.approx([VENDORS[name]["factor"]] * len(headers), rel=1e-4)


def test_activity_is_decayed_to_the_scan_and_all_that_was_used_is_recorded():
    found = suv_conversion([pet_header()])
    assert found.factors == pytest.approx([HOUR])
    assert (found.units, found.decay_correction) == ("BQML", "START")
    assert (found.weight_kg, found.dose_bq, found.half_life_s, found.delay_s) == (75, 300e6, 6586.2, (3600,))
    assert found.rule == "BQML: weight / dose, dose decayed to the series time"
    assert found.notes == ()


def test_corrected_to_the_injection_the_dose_is_not_decayed():
    found = suv_conversion([pet_header(DecayCorrection="ADMIN", injection={"RadiopharmaceuticalStartTime": None})])
    assert found.factors == pytest.approx([75_000 / 300e6])
    assert found.delay_s == ()


def test_without_decay_correction_each_slice_is_decayed_to_the_middle_of_its_frame():
    frames = {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"], "ActualFrameDuration": 1_200_000}
    found = suv_conversion([pet_header(**frames), pet_header(**frames, AcquisitionTime="113000")])
    # by integration: the mean activity of a frame of 20 minutes that begins after 60 and after 90 minutes
    rate = math.log(2) / 6586.2
    mean = [(math.exp(-rate * s) - math.exp(-rate * (s + 1200))) / (1200 * rate) for s in (3600, 5400)]
    assert found.factors == pytest.approx([75_000 / (300e6 * m) for m in mean])


def test_counts_without_a_factor_to_suv_go_by_the_factor_to_activity():
    assert factor(philips(pet_header(Units="CNTS"), activity=2.5)) == pytest.approx(2.5 * HOUR)
    assert factor(philips(pet_header(Units="CNTS"), suv=0, activity=2.5)) == pytest.approx(2.5 * HOUR)


def test_a_factor_to_suv_is_found_in_whatever_block_its_creator_reserved():
    header = philips(pet_header(Units="CNTS"), suv=0.5, block=0x23)
    header.add_new((0x7053, 0x10), "LO", "Somebody else")
    header.add_new((0x7053, 0x1000), "DS", "9")
    assert factor(header) == 0.5


def test_a_philips_factor_is_found_where_anonymisation_removed_its_creator():
    header = philips(pet_header(Units="CNTS", Manufacturer="Philips Medical Systems"), suv=0.5, creator=None)
    assert factor(header) == 0.5
    header.Manufacturer = "GE MEDICAL SYSTEMS"
    with pytest.raises(ImageError, match="no private Philips factor"):
        factor(header)


def test_an_image_in_suv_stays_as_it_is_and_one_by_lean_mass_is_refused():
    assert factor(pet_header(Units="GML", PatientWeight=None)) == 1
    assert factor(pet_header(Units="GML", SUVType="BW")) == 1
    with pytest.raises(ImageError, match="SUV by LBM"):
        factor(pet_header(Units="GML", SUVType="LBM"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Units": "PROPCPS"}, "units 'PROPCPS'"),
        ({"Units": None}, "does not say its units"),
        ({"CorrectedImage": ["DECY"]}, "not corrected for attenuation"),
        ({"DecayCorrection": "NONE"}, "NONE, but CorrectedImage lists DECY"),
        ({"CorrectedImage": ["ATTN"]}, "START, but CorrectedImage does not list DECY"),
        ({"DecayCorrection": None, "CorrectedImage": None}, "whether, and to which moment"),
        ({"DecayCorrection": "LATER"}, "the unknown decay correction 'LATER'"),
        ({"PatientWeight": None}, "no patient weight"),
        ({"PatientWeight": 0}, "no patient weight"),
        ({"PatientWeight": 700}, "impossible patient weight"),
        ({"injection": {"RadionuclideTotalDose": None}}, "no injected dose"),
        ({"injection": {"RadionuclideTotalDose": 37_000}}, "impossible in Bq and in MBq"),
        ({"injection": {"RadionuclideHalfLife": None}}, "neither a half-life nor"),
        ({"injection": {"RadiopharmaceuticalStartTime": None}}, "no injection time"),
        ({"injection": {"RadiopharmaceuticalStartTime": "110500"}}, "300 s after the scan"),
        ({"injection": {"RadiopharmaceuticalStartTime": "010000"}}, "10.0 hours before the scan"),
        ({"injection": {"RadiopharmaceuticalStartDateTime": "20200102090000"}}, "two injection times, 3600 s"),
        ({"SeriesTime": None, "AcquisitionTime": None}, "neither a series time nor"),
    ],
)
def test_what_is_missing_or_cannot_be_is_refused(values, message):
    with pytest.raises(ImageError, match=message):
        factor(pet_header(**values))


def test_slices_in_different_units_are_refused():
    with pytest.raises(ImageError, match="differ in Units: 'BQML', 'CNTS'"):
        factor(pet_header(), pet_header(Units="CNTS"))


def test_two_injections_are_refused():
    header = pet_header()
    header.RadiopharmaceuticalInformationSequence.append(Dataset())
    with pytest.raises(ImageError, match="2 injections"):
        factor(header)


def test_given_values_replace_those_of_the_header():
    found = suv_conversion(
        [pet_header(PatientWeight=None, CorrectedImage=None, DecayCorrection=None, injection={
            "RadionuclideTotalDose": None, "RadiopharmaceuticalStartTime": None})],
        Corrections(weight_kg=60, dose_bq=200e6, half_life_s=6588, delay_s=6588, decay_correction="START"),
    )  # fmt: skip
    assert found.factors == pytest.approx([60_000 / 100e6])
    assert len(found.notes) == 5


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"PatientWeight": 75_000}, "weight was in grams"),
        ({"injection": {"RadionuclideTotalDose": 300}}, "dose was in MBq"),
        ({"DecayCorrection": None}, "CorrectedImage lists one: START"),
    ],
)
def test_known_mistakes_of_units_are_put_right_and_noted(values, note):
    found = suv_conversion([pet_header(**values)])
    assert found.factors == pytest.approx([HOUR])
    assert note in found.notes[0]


def coded(value, meaning=""):
    code = Dataset()
    code.CodeValue, code.CodeMeaning = value, meaning
    return Sequence([code])


@pytest.mark.parametrize(
    ("injection", "half_life"),
    [
        ({"RadionuclideCodeSequence": coded("C-111A1")}, 6586.2),
        ({"RadionuclideCodeSequence": coded("35337001")}, 4062.6),
        ({"RadionuclideCodeSequence": coded("local", "^18^Fluorine")}, 6586.2),
        ({"Radiopharmaceutical": "FDG -- fluorodeoxyglucose"}, 6586.2),
        ({"Radiopharmaceutical": "Ga-68 DOTATATE"}, 4062.6),
        ({"Radiopharmaceutical": "FDG", "RadionuclideHalfLife": 109.77}, 6586.2),
        ({"Radiopharmaceutical": "FDG", "RadionuclideHalfLife": 6588}, 6588),
        ({"RadionuclideHalfLife": 1223}, 1223),
    ],
)
def test_a_half_life_that_is_missing_or_not_the_nuclides_is_that_of_the_nuclide(injection, half_life):
    found = suv_conversion([pet_header(injection={"RadionuclideHalfLife": None, **injection})])
    assert found.half_life_s == half_life
    assert found.factors == pytest.approx([75_000 / (300e6 * 0.5 ** (3600 / half_life))])


# ---- times


def delay_and_rule(*headers, **given):
    found = suv_conversion(headers, Corrections(**given))
    return found.delay_s[0], found.rule.split("decayed to the ")[1], found.notes


def test_a_series_time_after_the_scan_gives_way_to_the_earliest_acquisition_of_all_slices():
    late = {"SeriesTime": "130000"}
    headers = [pet_header(**late, AcquisitionTime=time) for time in ("110900", "110300", "110600")]
    assert delay_and_rule(*headers) == (3780, "earliest acquisition", ())


def test_before_that_comes_ges_own_scan_time():
    header = pet_header(SeriesTime="130000", AcquisitionTime="110300")
    header.add_new((0x0009, 0x10), "LO", "GEMS_PETD_01")
    header.add_new((0x0009, 0x100D), "DT", "20200102110100")
    assert delay_and_rule(header) == (3660, "GE's private scan time", ())
    header.SeriesTime = "110000"
    assert delay_and_rule(header) == (3600, "series time", ())


def test_and_the_start_of_the_scan_computed_back_from_its_frames_where_the_first_bed_is_missing():
    def bed(number, offset_s=None):
        # frames of 2 minutes, one after the other from 11:00:00, their offset that of the average count rate:
        # T/2 - kT^2/24 to the second order
        middle = 60 - math.log(2) / 6586.2 * 120**2 / 24 + 120 * number
        return pet_header(
            SeriesTime="130000",
            AcquisitionTime=f"11{2 * number:02d}00",
            ActualFrameDuration=120_000,
            FrameReferenceTime=1000 * (middle if offset_s is None else offset_s),
        )

    seconds, rule, _ = delay_and_rule(bed(3), bed(4))
    assert rule == "start of the scan, computed back from its frames"
    assert seconds == pytest.approx(3600, abs=0.01)
    assert delay_and_rule(bed(3), bed(4, offset_s=1000))[:2] == (3960, "earliest acquisition")
    assert delay_and_rule(bed(3), bed(4, offset_s=0))[:2] == (3960, "earliest acquisition")


MIDNIGHT = {
    "SeriesTime": "001000",
    "AcquisitionTime": "001000",
    "injection": {"RadiopharmaceuticalStartTime": "233000"},
}


@pytest.mark.parametrize(
    ("values", "seconds", "notes"),
    [
        # full dates
        (
            {
                **MIDNIGHT,
                "injection": {
                    "RadiopharmaceuticalStartTime": "233000",
                    "RadiopharmaceuticalStartDateTime": "20200101233000",
                },
            },
            2400,
            [],
        ),
        # a time of injection alone
        (MIDNIGHT, 2400, ["sides of midnight"]),
        # a date that anonymisation shifted by years, or not with the others
        ({"injection": {"RadiopharmaceuticalStartDateTime": "18850827100000"}}, 3600, ["dates of injection"]),
        ({"injection": {"RadiopharmaceuticalStartDateTime": "20300101100000.000-0500"}}, 3600, ["dates of injection"]),
        # no dates at all
        ({"SeriesDate": None, "AcquisitionDate": None}, 3600, []),
        ({**MIDNIGHT, "SeriesDate": None, "AcquisitionDate": None}, 2400, ["sides of midnight"]),
        # the series a day before or years after its acquisition
        ({"SeriesDate": "20200101", "SeriesTime": "105900"}, 3540, ["dates of series and acquisition"]),
        ({"AcquisitionDate": None, "AcquisitionTime": None}, 3600, ["No slice has an acquisition time"]),
        ({"SeriesDate": "20250101"}, 3600, []),
        ({"AcquisitionTime": None, "AcquisitionDateTime": "20200102110500", "SeriesTime": None}, 3900, []),
    ],
)
def test_midnight_and_dates_that_are_missing_or_were_shifted(values, seconds, notes):
    found = delay_and_rule(pet_header(**values))
    assert found[0] == seconds
    assert len(found[2]) == len(notes)
    assert all(told in note for told, note in zip(notes, found[2], strict=True))


def test_the_earliest_acquisition_may_lie_before_midnight():
    headers = [
        pet_header(SeriesTime=None, AcquisitionTime=time, injection={"RadiopharmaceuticalStartTime": "225800"})
        for time in ("000200", "235800")
    ]
    assert delay_and_rule(*headers)[:2] == (3600, "earliest acquisition")


def test_scans_days_after_the_injection_need_their_dates():
    zirconium = {"RadionuclideHalfLife": 282_276, "RadiopharmaceuticalStartTime": "100000"}
    with pytest.raises(ImageError, match="no consistent dates of injection and scan"):
        factor(pet_header(injection=zirconium))
    dated = {**zirconium, "RadiopharmaceuticalStartDateTime": "20191229100000"}
    assert delay_and_rule(pet_header(injection=dated))[0] == 4 * 86_400 + 3600


def test_messages_hold_no_date_and_no_time():
    with pytest.raises(ImageError) as caught:
        factor(pet_header(injection={"RadiopharmaceuticalStartTime": "111734"}))
    assert not any(value in str(caught.value) for value in ("1117", "11:17", "2020", "1100"))
