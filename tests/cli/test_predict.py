"""``bench predict``: patients who are in no cohort, by the models of a study."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from cohort_folder import CARD, lines, write_cohort, write_image, write_lines
from dicom_files import write_patient
from survbench.actions.ensemble import add_ensemble
from survbench.actions.ingest import ingest
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.study_cohort import StudyCohort, contents_of
from survbench.actions.watcher import Silent
from survbench.api import SURVIVAL_MONTHS
from survbench.datasets.dicom.patient import Request as DicomRequest
from survbench.datasets.dicom.regions import Wish
from survbench.datasets.ingest.pseudonyms import by_key
from survbench.evaluation.gather import gather
from survbench.evaluation.new_patient import ModelPrediction, NewPatient, Placed, Predictor, Reference, Training
from survbench.io.layout import CurveSource
from survbench.leaderboard.site.prediction_page import prediction_page
from survbench.leaderboard.writers.prediction_files import PredictionFiles, refuse_to_replace
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from table_cohort import CARD as TABLE_CARD
from table_cohort import changed, table_rows, write_table_cohort

METHODS = ("volume", "suvmax", "clinical-cox", "ranks-and-segments")
CLINICAL = CARD.replace("levels: [f, m]}", "levels: [f, m], model: true}")


def other_hospital(folder, patients=4):
    """Write another hospital's cohort: other ids, other images, no outcome that predicting could read."""
    card = CLINICAL.replace("name: toy", "name: other")
    write_cohort(folder, patients, card=card)
    rng = np.random.default_rng(1)
    for path in sorted((folder / "images").iterdir()):
        image = nib.load(path)
        if "_mask" not in path.name:
            dtype = np.float32 if "_pet" in path.name else np.int16
            write_image(path, (image.get_fdata() + rng.integers(0, 9, image.shape) / 8).astype(dtype))
        path.rename(path.with_name(path.name.replace("P", "Q")))
    head, *rows = lines(folder)
    write_lines(folder, [head, *(row.replace("P", "Q", 1) for row in rows)])
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, odd_plugins_of_module):
    """Return a folder with ``own`` and ``other``, the request of a study on them, and the study."""
    home = tmp_path_factory.mktemp("predict")
    request = Request(
        profile=load_profile("smoke"),
        methods=",".join(METHODS),
        cohort=str(write_cohort(home / "own", 12, card=CLINICAL)),
        external=str(other_hospital(home / "other")),
        out=home / "out",
    )
    return home, request, run_study(request, Silent()).study


@pytest.fixture
def predict(bench, made, tmp_path):
    """Return a function that predicts: method, arguments -> what ended, and what stands in the JSON file."""
    home, _, _ = made

    def call(*arguments, code=0):
        ended = bench("predict", *arguments, "--out", home / "out", "--to", tmp_path / "to")
        assert ended.returncode == code, ended.stdout + ended.stderr
        written = tmp_path / "to" / "predictions.json"
        return ended, json.loads(written.read_text(encoding="utf-8")) if written.exists() else None

    return call


def images(folder, name, *channels):
    """Return the options that name a patient's images."""
    return [
        f for c in channels or ("pet", "ct") for f in ("--image", f"{c}={folder / 'images' / f'{name}_{c}.nii.gz'}")
    ]


def external(made, method):
    """Return what ``bench run`` has predicted for the external cohort: tables of each fit, and the ensemble's risks."""
    _, request, study = made
    store = Store(request.out)
    gathered = gather(study, store)
    entry = gathered.methods[method].entry
    tables = [store.read(key).predictions().set_index("id") for key in entry.predicts[0]]
    return tables, dict(zip(gathered.external.ids, gathered.methods[method].external[0], strict=True))


def files_below(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("method", METHODS)
def test_the_prediction_is_the_external_prediction_of_a_run_bit_for_bit(made, predict, method):
    """A matrix product of one row is rounded differently from one of many, so runs predict one by one, too."""
    home, _, _ = made
    tables, ensemble = external(made, method)
    before = files_below(home / "out")
    ended, written = predict(method, home / "other")
    assert [p["id"] for p in written["patients"]] == sorted(ensemble)
    for patient in written["patients"]:
        assert patient["risk"] == ensemble[patient["id"]]
        assert [m["risk"] for m in patient["by_model"]] == [table["risk"][patient["id"]] for table in tables]
        for one, table in zip(patient["by_model"], tables, strict=True):
            curve = table["survival"][patient["id"]]
            assert one["survival"] == (None if curve is None else list(curve))
        assert patient["in_training"] is None
    assert files_below(home / "out") == before, "no study, no board and no run is made"
    assert "Research use only" in ended.stdout
    assert "Research use only" in written["research_use_only"]
    assert written["complete"] is True


def test_the_percentile_is_the_share_of_out_of_fold_risks_below(made, predict):
    home, request, study = made
    _, written = predict("suvmax", home / "other")
    (entry,) = (e for e in study.entries if e.name == "suvmax")
    standardised = []
    for key in entry.fits[0]:
        risk = Store(request.out).read(key).predictions()["risk"]
        standardised += [(r - risk.mean()) / risk.std(ddof=0) for r in risk]
    assert len(standardised) == 12
    for patient in written["patients"]:
        below = sum(r < patient["risk"] for r in standardised)
        equal = sum(r == patient["risk"] for r in standardised)
        assert patient["percentile"] == pytest.approx(100 * (below + equal / 2) / 12)


def test_one_patient_by_files_or_folder_is_the_patient_of_the_cohort(made, predict, tmp_path):
    home, _, _ = made
    _, cohort = predict("ranks-and-segments", home / "other")
    wanted = cohort["patients"][1]
    for order in (("pet", "ct"), ("ct", "pet")):
        _, written = predict("ranks-and-segments", *images(home / "other", "Q01", *order), "--id", "New")
        assert written["patients"][0]["id"] == "New"
        assert written["patients"][0]["risk"] == wanted["risk"]
    folder = tmp_path / "Somebody"
    folder.mkdir()
    for kind in ("pet", "ct"):
        (folder / f"scan-{kind}.nii.gz").write_bytes((home / "other" / "images" / f"Q01_{kind}.nii.gz").read_bytes())
    _, written = predict("ranks-and-segments", folder)
    assert written["patients"][0]["id"] == "Somebody"
    assert written["patients"][0]["risk"] == wanted["risk"]


def test_the_mask_lies_on_the_patients_own_image(made, predict, tmp_path):
    home, _, _ = made
    _, written = predict("ranks-and-segments", *images(home / "other", "Q01"))
    mask, image = nib.load(written["patients"][0]["mask"]), nib.load(home / "other" / "images" / "Q01_pet.nii.gz")
    assert mask.shape == image.shape
    assert np.allclose(mask.affine, image.affine)
    hot, marked = image.get_fdata() > 4, mask.get_fdata() > 0
    assert (hot & marked).sum() * 2 / (hot.sum() + marked.sum()) > 0.95
    assert written["patients"][0]["tumour_ml"] == pytest.approx(marked.sum() * 0.064)


@pytest.mark.parametrize("change", ["orientation", "spacing"])
def test_another_orientation_or_spacing_of_the_same_scan_gives_the_same_risk(made, predict, tmp_path, change):
    home, _, _ = made
    _, before = predict("ranks-and-segments", *images(home / "other", "Q02"))
    for kind in ("pet", "ct"):
        image = nib.load(home / "other" / "images" / f"Q02_{kind}.nii.gz")
        voxels, affine = image.get_fdata(), image.affine.copy()
        if change == "orientation":  # axes as S, L, P
            old = nib.orientations.axcodes2ornt(("R", "A", "S"))
            turn = nib.orientations.ornt_transform(old, nib.orientations.axcodes2ornt(("S", "L", "P")))
            affine = affine @ nib.orientations.inv_ornt_aff(turn, voxels.shape)
            voxels = nib.orientations.apply_orientation(voxels, turn)
        else:  # every voxel is cut into eight
            voxels = voxels.repeat(2, 0).repeat(2, 1).repeat(2, 2)
            affine = affine @ np.diag([0.5, 0.5, 0.5, 1])
            affine[:3, 3] -= 1.0
        dtype = np.float32 if kind == "pet" else np.int16
        write_image(tmp_path / "images" / f"R_{kind}.nii.gz", np.ascontiguousarray(voxels).astype(dtype), affine)
    _, after = predict("ranks-and-segments", *images(tmp_path, "R"))
    tolerance = 1e-5 if change == "orientation" else 0.05
    assert after["patients"][0]["risk"] == pytest.approx(before["patients"][0]["risk"], abs=tolerance)


def corrupt(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_voxels(path):
    image = nib.load(path)
    write_image(path, np.full(image.shape, np.nan, np.float32), image.affine)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b"a letter"), "is text"),
        (lambda path: path.write_bytes(gzip.compress(bytes(range(256)) * 9)), "not a NIfTI file"),
        (corrupt, "damaged|CRC|cannot be used"),
        (truncate, "ended before"),
        (empty_voxels, "finite|NaN|known"),
        (lambda path: path.unlink(), "Files are missing"),
    ],
)
def test_an_image_that_cannot_be_used_is_named_and_the_others_are_predicted(made, predict, tmp_path, damage, said):
    folder = other_hospital(tmp_path / "damaged", 3)
    damage(folder / "images" / "Q01_pet.nii.gz")
    ended, written = predict("suvmax", folder, code=1)
    assert "Q01: not predicted" in ended.stderr
    by_id = {p["id"]: p for p in written["patients"]}
    assert pd.Series(by_id["Q01"]["problem"]).str.contains(said).any(), by_id["Q01"]["problem"]
    assert np.isfinite([by_id["Q00"]["risk"], by_id["Q02"]["risk"]]).all()
    table = pd.read_csv(tmp_path / "to" / "predictions.csv").set_index("id")
    assert table["risk"].isna().to_dict() == {"Q00": False, "Q01": True, "Q02": False}
    assert (table["research_use_only"] == "research use only").all()


def test_files_of_somebody_else_are_not_replaced(made, bench, tmp_path):
    home, _, _ = made
    folder, mine = other_hospital(tmp_path / "other", 2), tmp_path / "mine"
    mine.mkdir()
    (mine / "predictions.csv").write_text("patient,age,sex\nA,57,m\n")
    (mine / "predictions.json").write_text('{"risk": 1}')
    (mine / "B.html").write_text("a letter")
    before = files_below(folder) | files_below(mine)
    table = tmp_path / "new.csv"
    table.write_text("patient,age,sex\nB,57,m\n")
    for what, to in (
        (("clinical-cox", mine / "predictions.csv"), mine),
        (("clinical-cox", table), mine),
        (("ranks-and-segments", folder), folder / "images"),
        (("ranks-and-segments", *images(folder, "Q01"), "--id", "Q01"), folder / "images"),
    ):
        ended = bench("predict", *what, "--out", home / "out", "--to", to)
        assert ended.returncode == 2
        assert "Name another folder with --to" in ended.stderr
    assert files_below(folder) | files_below(mine) == before
    for _ in range(2):
        assert bench("predict", "clinical-cox", table, "--out", home / "out", "--to", tmp_path / "to").returncode == 0


def test_images_of_the_wrong_channel_are_refused(made, predict):
    home, _, _ = made
    files = {c: home / "other" / "images" / f"Q01_{c}.nii.gz" for c in ("pet", "ct")}
    swapped = ["--image", f"pet={files['ct']}", "--image", f"ct={files['pet']}"]
    ended, written = predict("ranks-and-segments", *swapped, code=1)
    assert "unlike SUV. Is it a CT?" in str(written["patients"][0]["problem"])
    ended, _ = predict("ranks-and-segments", "--image", f"mr={files['pet']}", code=2)
    assert "Unknown image 'mr'" in ended.stderr
    ended, _ = predict("ranks-and-segments", *images(home / "other", "Q01", "pet"), code=1)
    assert "no ct" in ended.stderr


def test_clinical_values(made, predict, tmp_path):
    _, known = predict("clinical-cox", "--clinical", "age=57", "--clinical", "sex=m")
    assert known["patients"][0]["missing"] == []
    ended, written = predict("clinical-cox", "--clinical", "age=57")
    assert written["patients"][0]["missing"] == ["sex"]
    assert "Not known: sex. The method fills" in ended.stdout
    for wrong, said in (("sex=x", "one of its levels"), ("age=old", "must hold numbers")):
        ended, written = predict("clinical-cox", "--clinical", wrong, code=1)
        assert said in ended.stderr
    ended, _ = predict("clinical-cox", "--clinical", "agee=5", code=2)
    assert "Did you mean 'age'" in ended.stderr
    ended, _ = predict("clinical-cox", code=2)
    assert "clinical values: age, sex" in ended.stderr
    folder = other_hospital(tmp_path / "without-table", 2)
    (folder / "clinical.csv").unlink()
    ended, _ = predict("clinical-cox", folder, code=2)
    assert "nobody to predict. The method sees clinical values: age, sex." in ended.stderr
    (tmp_path / "one").mkdir()
    next((folder / "images").glob("*_pet.nii.gz")).rename(tmp_path / "one" / "pet.nii.gz")
    ended, _ = predict("clinical-cox", tmp_path / "one", "--clinical", "age=57", code=2)
    assert "no image is read from it. The method sees clinical values: age, sex." in ended.stderr
    table = tmp_path / "new.csv"
    table.write_text("patient,age,sex\nA,57,m\nB,,f\n")
    _, written = predict("clinical-cox", table)
    assert written["patients"][0]["risk"] == known["patients"][0]["risk"]
    assert [p["missing"] for p in written["patients"]] == [[], ["age"]]


def test_a_patient_of_the_training_folds_is_named_with_the_honest_model(made, predict):
    home, request, study = made
    ended, written = predict("suvmax", *images(home / "own", "P03"), "--mask", home / "own/images/P03_mask.nii.gz")
    (patient,) = written["patients"]
    (tested,) = patient["in_training"]["folds_tested_in"]
    assert "P03" in study.protocol.folds[tested]
    assert [m["fold"] for m in patient["by_model"] if m["fitted_on_this_patient"]] == [1 - tested]
    (entry,) = (e for e in study.entries if e.name == "suvmax")
    own = Store(request.out).read(entry.fits[0][tested]).predictions().set_index("id")["risk"]
    honest = (own["P03"] - own.mean()) / own.std(ddof=0)
    assert patient["out_of_fold"]["risk"] == pytest.approx(honest)
    assert "fitted on this patient: the images are those of a patient of the study." in ended.stdout
    assert f"The honest prediction is that of fold {tested}" in ended.stdout
    ended, written = predict("clinical-cox", "--clinical", "age=57", "--id", "P03")
    assert written["patients"][0]["in_training"]["folds_tested_in"] == [tested]
    assert "ignore this if it is another" in ended.stdout


def test_refit_is_fitted_once_on_all_patients_and_used_again(made, predict):
    home, _, _ = made
    _, first = predict("clinical-cox", home / "other", "--refit")
    runs = files_below(home / "out" / "runs")
    _, second = predict("clinical-cox", home / "other", "--refit")
    assert first == second
    assert files_below(home / "out" / "runs") == runs
    assert {p["models"] for p in first["patients"]} == {1}
    assert len({p["risk"] for p in first["patients"]}) > 1
    jobs = [json.loads(path.read_text()) for path in (home / "out" / "runs").glob("*/job.json")]
    assert [j["method"] for j in jobs if len(j.get("train", ())) == 12] == ["clinical-cox"]
    _, written = predict("clinical-cox", "--refit", "--clinical", "age=57", "--id", "P03")
    assert written["patients"][0]["out_of_fold"] is None
    assert "No model is left" in str(written["patients"][0]["warnings"])


def test_the_report_is_one_file_that_says_what_it_is(predict, tmp_path):
    predict("clinical-cox", "--clinical", "age=57", "--id", "A&B")
    page = (tmp_path / "to" / "A&B.html").read_text(encoding="utf-8")
    assert "A&amp;B" in page
    assert "Research use only" in page
    assert "not a confidence interval" in page
    assert "<script" not in page
    assert "http:" not in page.replace("http://www.w3.org/2000/svg", "")


def test_survival_is_shown_up_to_the_end_of_follow_up(made, tmp_path):
    _, _, study = made
    short = replace(study, cohort=study.cohort.model_copy(update={"longest_months": 40.0}))
    (entry,) = (e for e in study.entries if e.name == "volume")
    reference = Reference(risks=np.zeros(12), scales={}, c_index=0.5)
    curve = np.linspace(0.99, 0.5, len(SURVIVAL_MONTHS))
    one = ModelPrediction(
        fold=0, seed=0, trained=False, risk=7.0, standardised=0.0, survival=curve, source=CurveSource.PREDICTED
    )
    placed = Placed.of([one], reference)
    patient = NewPatient(id="A", by_model=(one,), all_models=placed, honest=None, training=Training())
    with PredictionFiles(
        tmp_path, Predictor(study=short, entry=entry, reference=reference, refit=False, models=1)
    ) as to:
        page = to.predicted(patient).read_text(encoding="utf-8")
        refuse_to_replace(tmp_path, ["A"], given=())  # what a killed call has left
        assert '"id": "A"' in (tmp_path / "predictions.json").read_text()
    assert "followed for up to 40 months: survival beyond is not shown" in page
    row = pd.read_csv(tmp_path / "predictions.csv").iloc[0]
    assert row[["survival_36_months", "survival_60_months"]].notna().tolist() == [True, False]
    assert '<th scope="row">36</th>' in page
    assert '<th scope="row">60</th>' not in page
    assert json.loads((tmp_path / "predictions.json").read_text())["follow_up_months"] == 40


def test_the_rule_says_how_many_fits_predict_and_that_some_patients_were_set_aside(made):
    _, _, study = made
    (entry,) = (e for e in study.entries if e.name == "volume")
    reference = Reference(risks=np.zeros(12), scales={}, c_index=0.5)
    one = Predictor(study=study, entry=entry, reference=reference, refit=True, models=1)
    inner = replace(study, protocol=study.protocol.model_copy(update={"selection": "inner"}))
    assert one.rule.startswith("One fit on all patients of the study. The risk of the fit")
    assert replace(one, study=inner, models=3).rule.startswith(
        "Mean of 3 fits, of one seed each, on all patients of the study. Some of them were set aside"
    )


def test_a_method_that_gives_everybody_the_same_risk_has_a_report(made):
    _, _, study = made
    (entry,) = (e for e in study.entries if e.name == "volume")
    reference = Reference(risks=np.zeros(12), scales={}, c_index=0.5)
    one = ModelPrediction(
        fold=0, seed=0, trained=False, risk=7.0, standardised=0.0, survival=None, source=CurveSource.NONE
    )
    placed = Placed.of([one], reference)
    assert placed.percentile == 50
    patient = NewPatient(id="A", by_model=(one,), all_models=placed, honest=None, training=Training())
    predictor = Predictor(study=study, entry=entry, reference=reference, refit=False, models=1)
    assert "+0.000" in prediction_page(patient, predictor)
    assert "C-index 0.500" in prediction_page(patient, predictor)
    unknown = replace(predictor, reference=replace(reference, c_index=float("nan")))
    assert unknown.to_json()["c_index"] is None
    assert "not known: a fold" in prediction_page(patient, unknown)


@pytest.mark.parametrize(
    ("method", "said"), [("oracle", "Unknown method of this study"), ("nothing", "Unknown method of this study")]
)
def test_a_method_that_cannot_predict_is_refused(predict, method, said):
    ended, _ = predict(method, "--clinical", "age=5", code=2)
    assert said in ended.stderr


def test_patients_of_a_table_of_features(bench, tmp_path):
    rows = table_rows()
    request = Request(
        profile=load_profile("smoke"),
        methods="radiomics-univariate-cox",
        cohort=str(write_table_cohort(tmp_path / "own", rows)),
        out=tmp_path / "out",
    )
    run_study(request, Silent())
    new = tmp_path / "new.csv"
    chosen = [rows[0], ["N00", *table_rows(1, seed=5)[1][1:]], rows[4]]
    new.write_text("".join(",".join([row[0], *row[3:]]) + "\n" for row in chosen))
    ended = bench("predict", "radiomics-univariate-cox", new, "--out", tmp_path / "out", "--to", tmp_path / "to")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    written = json.loads((tmp_path / "to" / "predictions.json").read_text())
    training = {p["id"]: p["in_training"] for p in written["patients"]}
    assert training["N00"] is None
    assert "features are those of the study's patient" in training["P03"]["why"]


def test_a_patient_is_recognised_by_the_features_beside_images():
    """A method that sees the table of features alone compares it, though the cohort has images, too."""
    both = {"volumes": {"ct": "c1", "mask": "m1"}, "radiomics": "f1"}
    cohort = StudyCohort(card=None, features=(), contents=(frozenset(contents_of(both)), frozenset(["c2"])))
    assert cohort.folds_with(contents_of({"volumes": {}, "radiomics": "f1"})) == (0,)
    assert cohort.folds_with(contents_of({"volumes": {"ct": "c2"}, "radiomics": None})) == (1,)
    assert cohort.folds_with(contents_of({"volumes": {"mask": "m1"}, "radiomics": None})) == ()


def test_dicom_is_read_as_ingest_reads_it(made, predict, tmp_path):
    """The DICOM of one patient is predicted as the NIfTI that ``bench cohort ingest`` makes of it; a method that needs
    no mask predicts a patient in whom nobody has drawn a tumour.
    """
    where = write_patient(tmp_path / "dicom", "HN-7001")
    naming = by_key(bytes(range(32)))
    done = ingest(tmp_path / "dicom", tmp_path / "cohort", request=DicomRequest(Wish(("GTV",))), naming=naming)
    files = {kind: tmp_path / "cohort/images" / f"{done.written[0]}_{kind}.nii.gz" for kind in ("PET", "CT", "mask")}
    named = ["--image", f"pet={files['PET']}", "--image", f"ct={files['CT']}"]
    _, from_nifti = predict("suvmax", *named, "--mask", files["mask"])
    _, from_dicom = predict("suvmax", where, "--region", "GTV")
    assert from_dicom["patients"][0]["risk"] == from_nifti["patients"][0]["risk"]
    ended, _ = predict("suvmax", where, "--region", "Liver", code=2)
    assert "No region is named 'Liver'" in ended.stderr

    for path in (where / "rs").iterdir() if (where / "rs").is_dir() else [where / "rs"]:
        path.unlink()
    _, from_nifti = predict("ranks-and-segments", *named)
    _, from_dicom = predict("ranks-and-segments", where, "--id", "A")
    assert from_dicom["patients"][0]["risk"] == from_nifti["patients"][0]["risk"]
    ended, _ = predict("suvmax", where, code=2)
    assert "neither an RTSTRUCT nor a SEG" in ended.stderr
    write_patient(tmp_path / "two", "HN-7001")
    write_patient(tmp_path / "two", "HN-7002")
    ended, _ = predict("suvmax", tmp_path / "two", code=2)
    assert "DICOM of 2 patients" in ended.stderr


def test_a_pack_with_weights_predicts_as_the_study_does(made, predict, bench, tmp_path, monkeypatch):
    home, _, study = made
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _, expected = predict("clinical-cox", home / "other")
    pack, to = tmp_path / "study.zip", tmp_path / "by-pack"
    assert bench("study", "pack", study.name, "--weights", "--to", pack, "--out", home / "out").returncode == 0
    ended = bench("predict", "clinical-cox", home / "other", "--out", pack, "--to", to)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    written = json.loads((to / "predictions.json").read_text(encoding="utf-8"))
    assert written["patients"] == expected["patients"]
    assert written["caution"] == expected["caution"]
    named = tmp_path / "named.zip"
    options = ("--weights", "--pseudonyms", tmp_path / "site.key", "--to", named, "--out", home / "out")
    assert bench("study", "pack", study.name, *options).returncode == 0
    own = images(home / "own", "P03")
    ended = bench("predict", "ranks-and-segments", *own, "--out", named, "--to", tmp_path / "by-named")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "cannot be checked: this study, such as a pack with pseudonyms" in ended.stdout


def test_an_ensemble_names_the_rows_that_have_models(made, predict):
    home, request, study = made
    add_ensemble(study, Store(request.out), ["volume", "clinical-cox"], name="both")
    ended, _ = predict("both", home / "other", code=2)
    assert "both has no models of its own. Predict by its members: volume, clinical-cox." in ended.stderr


@pytest.fixture(scope="module", params=["", "A"], ids=["without reference", "reference A"])
def combat(request, tmp_path_factory):
    """Return a function that predicts by ComBat: centre A measures every feature 5 higher than B."""
    reference, home = request.param, tmp_path_factory.mktemp("combat")
    rows = table_rows()
    shifted = {name: lambda n, cells, name=name: float(cells[name]) + 5 * (n % 2) for name in rows[0][4:]}
    rows = changed(rows, **shifted, hospital=lambda n, _: "BA"[n % 2], dead=lambda n, _: n // 2 % 2)
    named = f"\nreference_centre: {reference}" if reference else ""
    card = TABLE_CARD.replace("endpoint:", f"centre: hospital{named}\nendpoint:")
    own = write_table_cohort(home / "own", rows, card=card)
    methods = "combat-radiomics-univariate-cox"
    run_study(Request(profile=load_profile("smoke"), methods=methods, cohort=str(own), out=home / "out"), Silent())
    return reference, rows, home


def test_combat_sees_the_centre_of_a_new_patient(combat, bench, tmp_path):
    """A patient who is measured 5 higher at the one centre gets about the same risk; of a centre that was not in the
    fit nobody knows the scale.
    """
    reference, rows, home = combat

    def predicted(code, columns, patients):
        table, to = tmp_path / "new.csv", tmp_path / "to"
        table.write_text("\n".join([",".join(columns), *(",".join(p[c] for c in columns) for p in patients)]))
        method = "combat-radiomics-univariate-cox"
        ended = bench("predict", method, table, "--out", home / "out", "--to", to)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended, {
            p["id"]: p for p in json.loads((to / "predictions.json").read_text())["patients"]
        } if code < 2 else {}

    names = [name for name in rows[0] if name not in {"days", "dead"}]
    low = dict(zip(rows[0], ["low in B", "", "", "55", *table_rows(1, seed=5)[1][4:], "B"], strict=True))
    high = {**low, **{name: str(float(low[name]) + 5) for name in rows[0][4:-1]}}
    patients = [
        low,
        {**high, "patient": "high in A", "hospital": "A"},
        {**high, "patient": "high in B"},
        {**high, "patient": "high in C", "hospital": "C"},
    ]
    ended, found = predicted(0 if reference else 1, names, patients)
    risk = {name: p["risk"] for name, p in found.items() if "risk" in p}
    assert abs(risk["low in B"] - risk["high in A"]) < 0.2 * abs(risk["low in B"] - risk["high in B"])
    assert found["high in A"]["warnings"] == []
    said = found["high in C"]["warnings" if reference else "problem"]
    assert ("stay as they are" if reference else "names no reference_centre") in str(said)
    ended, _ = predicted(2, names[:-1], patients)
    assert "no column 'hospital'" in ended.stderr
