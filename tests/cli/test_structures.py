"""Masks of several structures, from the card to the methods, against values computed by hand."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import read
from dicom_files import write_patient
from labelled_cohort import MASK, SPACING, labels_of, nodes_of, pet_of, primary_of, write_labelled
from survbench.actions.extract import extract_cohort, write_table
from survbench.actions.planning import dry_run
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.datasets.cards.card import Mask, parse_card
from survbench.datasets.cohorts.compatible import refuse_different
from survbench.datasets.cohorts.opened import open_cohorts
from survbench.datasets.preprocessing.resample import preprocess
from survbench.datasets.readers.nifti import nifti_volume
from survbench.errors import BenchError
from survbench.features.feature_sets import feature_set
from survbench.features.sources import SOURCES
from survbench.jobs.prepared_files import read_follow_up
from survbench.models.markers import Marker
from survbench.models.networks.deepmts.method import DeepMTS
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from survbench.work.prepared import PreparedCohort

SMOKE = load_profile("smoke")
PLAIN = 'mask: {file: "images/{id}_mask.nii.gz"}'
PRIMARY = MASK.replace("}}", "}, use: gtvp}")
ML = SPACING**3 / 1000


def run(folder, out, methods, **more):
    return run_study(Request(profile=SMOKE, cohort=str(folder), methods=methods, out=out, **more), Silent())


def prepared_by(result, out):
    """Return the patients as the jobs of a study saw them."""
    key = next(entry.fits[0][0] for entry in result.study.entries if entry.fits)
    return PreparedCohort(out, Store(out).read(key).job.cohort)


# ---- the card


def test_a_card_names_structures_and_the_one_that_methods_see():
    both = Mask(file="{id}.nii", labels={"gtvp": 2, "gtvn": 1})
    assert both.used == (1, 2)
    assert both.model_copy(update={"use": "gtvp"}).used == (2,)
    assert Mask(file="{id}.nii").used is None


@pytest.mark.parametrize("label", [1, 3, None])
def test_an_old_card_means_what_it_meant(label):
    old = Mask.model_validate({"file": "{id}.nii", "label": label})
    assert old.used == (None if label is None else (label,))
    assert Mask.model_validate_json(old.model_dump_json()) == old


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("label: 1, labels: {gtvp: 1}", "both 'label' and 'labels'"),
        ("labels: {gtvp: 1, gtvn: 1}", "'gtvp' and 'gtvn' both have label 1"),
        ("labels: {gtvp: 0}", "labels.gtvp.*greater than or equal to 1"),
        ("labels: {gtvp: 1, gtvp: 2}", "gtvp"),
        ("labels: {mask: 1}", "'mask' cannot name a structure"),
        ("labels: {pet: 1}", "'pet' is both an image channel and a structure"),
        ("labels: {GTVp: 1}", "should match pattern"),
        ("labels: {gtvp: 1}, use: gtvn", "allowed: union, gtvp"),
    ],
)
def test_names_and_numbers_that_cannot_be_meant_are_refused(mask, message, tmp_path):
    text = (write_labelled(tmp_path / "toy", 1) / "cohort.yaml").read_text()
    with pytest.raises(BenchError, match=message):
        parse_card(text.replace("labels: {gtvp: 1, gtvn: 2}", mask), source="card")


def test_cohorts_with_other_structures_are_not_used_together(tmp_path):
    both, primary, other, plain = (
        read(write_labelled(tmp_path / str(n), 4, mask=mask))
        for n, mask in enumerate([MASK, PRIMARY, MASK.replace("gtvn", "nodes"), PLAIN])
    )
    refuse_different(both, both)
    refuse_different(both, plain)
    for wrong in (primary, other):
        with pytest.raises(BenchError, match=r"structures gtvn, gtvp \(use: union\).*Give the same names"):
            refuse_different(both, wrong)


# ---- reading and preparing


def test_each_structure_and_their_union_are_read_from_one_file(tmp_path):
    for mask, used in ((MASK, (1, 2)), (PRIMARY, (1,)), (MASK.replace("gtvn: 2", "other: 3"), (1,))):
        folder = write_labelled(tmp_path / str(len(mask)), 4, mask=mask)
        subject = read(folder).cohort.subjects[3]
        assert np.array_equal(subject.volumes["mask"].voxels(), np.isin(labels_of(3), used))
        assert np.array_equal(subject.structures["gtvp"].voxels(), labels_of(3) == 1)


def test_a_mask_turned_to_its_images_axes_turns_its_structures(tmp_path):
    folder = write_labelled(tmp_path / "toy", 4)
    path = folder / "images" / "P01_mask.nii.gz"
    image = nib.load(path)
    nib.save(image.as_reoriented(nib.orientations.axcodes2ornt("LPS")), path)
    subject = read(folder).cohort.subjects[1]
    for name, label in (("gtvp", 1), ("gtvn", 2)):
        assert np.array_equal(subject.structures[name].voxels(), labels_of(1) == label)


def test_a_structure_that_a_patient_lacks_or_that_is_out_of_view_is_empty_on_the_grid(tmp_path):
    subject = read(write_labelled(tmp_path / "toy", 4)).cohort.subjects
    grid = open_cohorts([(str(tmp_path / "toy"), None)], profile=SMOKE).grid
    absent, far = subject[0].structures["gtvn"], subject[1].structures["gtvn"]
    for volume, centre in ((absent, (31.0, 31.0, 31.0)), (far, (500.0, 31.0, 31.0))):
        assert not preprocess(volume, grid.shape, grid.affine(centre), may_be_absent=True).any()
        with pytest.raises(BenchError, match="the mask"):
            preprocess(volume, grid.shape, grid.affine(centre))


def test_the_key_of_one_label_is_what_it_was(tmp_path):
    """A mask by ``label: 2`` keeps what is in the cache; without a label and with two there are other voxels."""
    path = write_labelled(tmp_path / "toy", 1) / "images" / "P00_mask.nii.gz"
    prints = {labels: nifti_volume(path, "MASK", labels=labels).fingerprint() for labels in (None, (1,), (2,), (1, 2))}
    assert len({*prints.values()}) == 4
    old = read(write_labelled(tmp_path / "old", 4, mask=MASK.replace("labels: {gtvp: 1, gtvn: 2}", "label: 1")))
    assert old.cohort.subjects[0].volumes["mask"].fingerprint() == prints[(1,)]


# ---- what methods see


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Return results, output folders and folders of the cohort with its structures, and with a card without them."""
    made = {}
    for name, mask in {"both": MASK, "plain": PLAIN}.items():
        folder = tmp_path_factory.mktemp(name)
        cohort = write_labelled(folder / "toy", 8, mask=mask)
        made[name] = (
            run(cohort, folder / "out", "volume,lesions,dmax,radiomics-cox,structures-cox"),
            folder / "out",
            cohort,
        )
    return made


def test_markers_are_those_computed_by_hand(studies):
    result, out, _ = studies["both"]
    cohort = prepared_by(result, out).inputs([f"P{n:02d}" for n in range(8)], {"mask", "structures"})
    boxes = [[primary_of(n), *(((a, b),) * 3 for a, b in nodes_of(n))] for n in range(8)]
    for quantity, by_hand in {
        "volume": [sum(np.prod([b - a for a, b in box]) for box in patient) * ML for patient in boxes],
        "lesions": [len(patient) for patient in boxes],
        "dmax": [_farthest(patient) for patient in boxes],
    }.items():
        assert Marker(quantity).predict_risk(cohort) == pytest.approx(by_hand), quantity
    assert _farthest(boxes[0]) == 0, "no nodes"
    assert Marker("dmax").predict_risk(cohort)[3] == pytest.approx(18 * 3**0.5 * SPACING), "nodes at 5 and 23"


def _farthest(boxes):
    """Return the largest distance between the centres of boxes, in mm."""
    centres = [np.array([(a + b - 1) / 2 for a, b in box]) for box in boxes]
    return max(float(np.linalg.norm(a - b)) * SPACING for a in centres for b in centres)


def test_a_node_that_touches_the_primary_is_a_lesion_of_its_own(tmp_path):
    folder = write_labelled(tmp_path / "toy", 4)
    path = folder / "images" / "P01_mask.nii.gz"
    image = nib.load(path)
    mask = np.asarray(image.dataobj).copy()
    mask[18:20, 14:16, 14:16] = 2  # beside the primary, which ends at 17
    nib.save(nib.Nifti1Image(mask, image.affine, image.header), path)
    assert Marker("lesions").predict_risk(read(folder).cohort).tolist() == [1, 3, 3, 4]


def test_features_of_a_structure_are_those_of_its_voxels_and_missing_where_there_is_none(studies):
    result, out, _ = studies["both"]
    cohort = prepared_by(result, out).inputs([f"P{n:02d}" for n in range(8)], {"radiomics", "structures"})
    names = SOURCES["structures"].view(cohort, transform=None).features.names
    values = SOURCES["structures"].view(cohort, transform=None).features.values
    column = {name: values[:, names.index(name)] for name in names}
    per_region = len(feature_set("paper").names(["pet", "ct"]))
    assert len(names) == len({*names}) == 3 * per_region + 2 * 2 + 1
    for n in range(8):
        pet, mask = pet_of(n).astype(np.float64), labels_of(n)
        inside = {"": mask > 0, "gtvp_": mask == 1, "gtvn_": mask == 2}
        for prefix, voxels in inside.items():
            first = (
                column[f"{prefix}pet_original_firstorder_Mean"][n],
                column[f"{prefix}pet_original_firstorder_Maximum"][n],
            )
            if voxels.any():
                assert first == pytest.approx((pet[voxels].mean(), pet[voxels].max()))
            else:
                assert np.isnan(first).all()
        assert column["gtvn_volume_ml"][n] == pytest.approx(len(nodes_of(n)) * 8 * ML)
        assert column["gtvn_lesions"][n] == len(nodes_of(n))
        assert column["gtvp_lesions"][n] == 1
    # of a single node, the diagonal from centre to centre of its outermost voxels, and of all three the longest one
    assert column["gtvn_shape_Maximum3DDiameter"][3] > column["gtvn_shape_Maximum3DDiameter"][1]
    absent = [name for name in names if name.startswith("gtvn_") and np.isnan(column[name][0])]
    assert len(absent) == per_region


def test_methods_of_structures_run_where_some_patients_have_no_nodes_and_are_skipped_without_structures(studies):
    skipped = {}
    for name, (result, _, _) in studies.items():
        assert not result.failed
        skipped[name] = {entry.name: entry.skipped for entry in result.study.entries if entry.skipped}
    reason = "needs structures: the card names no structures of the mask (mask.labels)"
    assert skipped == {"both": {}, "plain": dict.fromkeys(("lesions", "dmax", "structures-cox"), reason)}


def test_other_methods_see_the_union_and_their_jobs_do_not_change(studies):
    """The same masks without ``mask.labels`` are the union: what is fitted on them is the same to the last bit."""
    (both, out, _), (plain, plain_out, _) = studies["both"], studies["plain"]
    needs = {"images", "mask", "clinical", "radiomics"}
    ids = [f"P{n:02d}" for n in range(8)]
    one, other = prepared_by(both, out).inputs(ids, needs), prepared_by(plain, plain_out).inputs(ids, needs)
    assert all(s.structures == {} for s in one.subjects), "nobody asked for them"
    assert one.features.names == other.features.names
    assert np.array_equal(one.features.values, other.features.values)
    for a, b in zip(one.subjects, other.subjects, strict=True):
        assert {*a.volumes} == {"pet", "ct", "mask"}
        assert all(np.array_equal(a.volumes[v].voxels(), b.volumes[v].voxels()) for v in a.volumes)
    rows = [{row.method: row.c_index for row in study.board.rows} for study in (both, plain)]
    assert all(rows[0][name] == rows[1][name] for name in ("volume", "radiomics-cox"))


def test_features_of_a_structure_have_a_key_of_their_own_and_a_single_structure_has_none(tmp_path):
    def keys(mask):
        cohorts = open_cohorts([(str(write_labelled(tmp_path / "toy", 4, mask=mask)), None)], profile=SMOKE)
        cohorts.ask_for_radiomics(per_structure=True)
        return cohorts.keys(cohorts.sources[0], cohorts.sources[0].cohort.subjects[0])

    both, primary = keys(MASK), keys(PRIMARY)
    assert both.structures["gtvp"] == primary.volumes["mask"], "the same voxels"
    assert both.radiomics["gtvp"] != primary.radiomics["mask"], "which may be too few for features in one of them"
    assert {*keys(MASK.replace("labels: {gtvp: 1, gtvn: 2}", "label: 1")).radiomics} == {"mask"}


def test_an_old_card_has_the_jobs_of_the_new_form(tmp_path):
    folder, plans, studies = tmp_path / "toy", [], []
    for mask in ("label: 1", "labels: {tumour: 1}", "labels: {gtvp: 1}", "labels: {gtvp: 1, gtvn: 2}, use: gtvp"):
        write_labelled(folder, 8, mask=MASK.replace("labels: {gtvp: 1, gtvn: 2}", mask))
        request = Request(
            profile=SMOKE, cohort=str(folder), methods="volume,radiomics-cox,deepmts", out=tmp_path / "out"
        )
        study = dry_run(request).study
        plans.append({entry.name: entry.fits for entry in study.entries})
        studies.append(study.name)
    assert len(plans[0]["deepmts"][0]) > 1
    assert plans[1:] == [plans[0]] * 3
    assert studies[1:3] == [studies[0]] * 2
    assert studies[3] != studies[0], "methods can see nodes, too"


def test_a_network_has_the_same_parameters_and_risks_with_structures_as_without(studies, tmp_path):
    from survbench.api import Context, Seeds

    risks, sizes = [], []
    ids = [f"P{n:02d}" for n in range(4)]
    for name in ("both", "plain"):
        result, out, _ = studies[name]
        prepared = prepared_by(result, out)
        train = read_follow_up(prepared).label(prepared.inputs(ids, {"images", "mask", "clinical"}))
        training = SMOKE.training.model_copy(update={"steps": 1})
        scratch = tmp_path / name
        scratch.mkdir()
        context = Context(seeds=Seeds(0, 0, "deepmts"), training=training, scratch=scratch)
        fitted = DeepMTS().fit(train, validation=None, ctx=context)
        fitted.save(scratch)
        sizes.append(sum(path.stat().st_size for path in scratch.glob("*.safetensors")))
        risks.append(fitted.predict_risk(train))
    assert sizes[0] == sizes[1] > 4 * DeepMTS().describe(clinical=1, channels=2)["parameters"]
    assert np.array_equal(*risks)


def test_the_table_of_features_has_those_of_each_structure(studies, tmp_path):
    _, out, cohort = studies["both"]
    made = extract_cohort(
        str(cohort), data=None, profile=SMOKE, set_name=None, out=out, workers=1, skip_bad=False, watcher=Silent()
    )
    assert made.cached == 8, "the run has extracted them"
    own = feature_set("paper").names(["pet", "ct"])
    assert made.names == (*own, *(f"{s}_{name}" for s in ("gtvp", "gtvn") for name in own))
    beside = write_table(made, tmp_path / "features.csv").read_text()
    lacking = [line for line in beside.splitlines() if line.startswith("absent")]
    assert lacking == [f"absent,P{n:02d},gtvn,no features; learners impute them" for n in (0, 4)]
    assert "non-finite" not in beside


def test_a_study_keeps_the_structures_of_its_card(studies):
    result, out, _ = studies["both"]
    stored = json.loads((result.study.folder(out) / "cohort.json").read_text())
    assert '"labels":{"gtvp":1,"gtvn":2},"use":"union"' in json.dumps(stored).replace('\\"', '"')


def test_new_patients_are_predicted_by_their_structures_or_refused_where_their_card_names_none(
    studies, bench, tmp_path
):
    out, new = studies["both"][1], write_labelled(tmp_path / "new", 4)
    ended = bench("predict", "structures-cox", new, "--out", out, "--to", tmp_path / "to")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    predicted = json.loads((tmp_path / "to" / "predictions.json").read_text())["patients"]
    assert [p["id"] for p in predicted] == ["P00", "P01", "P02", "P03"], "the first one has no nodes"
    assert np.isfinite([p["risk"] for p in predicted]).all()
    card = (new / "cohort.yaml").read_text()
    (new / "cohort.yaml").write_text(card.replace(MASK, PLAIN))
    refused = bench("predict", "structures-cox", new, "--out", out, "--to", tmp_path / "again")
    assert refused.returncode != 0
    assert "structures gtvp, gtvn, the patients' card names none" in " ".join(refused.stderr.split())


def test_dicom_of_a_new_patient_needs_to_say_which_region_is_which_structure(studies, bench, tmp_path):
    source = tmp_path / "dicom"
    write_patient(source)
    out = studies["both"][1]
    bare = bench("predict", "lesions", source, "--region", "GTV", "--out", out, "--to", tmp_path / "to")
    assert "Say which regions they are: --region gtvp=NAME, --region gtvn=NAME" in " ".join(bare.stderr.split())
    other = bench("predict", "lesions", source, "--region", "gtvx=GTV", "--out", out, "--to", tmp_path / "to")
    assert "Did you mean 'gtvn'" in " ".join(other.stderr.split()) or "Did you mean 'gtvp'" in other.stderr
    slip = bench("predict", "lesions", source, "--region", "gtvp=GTV", "--region", "gtvn=GTVnn", "--out", out, "--to", tmp_path / "to")  # fmt: skip  # noqa: E501
    assert "GTVnn" in slip.stderr
    assert {bare.returncode, other.returncode, slip.returncode}.isdisjoint({0})
