"""Radiomics against values from elsewhere: pyradiomics itself, its published baselines, and the IBSI consensus."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from reference_values import REFERENCE, stored
from survbench.cohort import Subject
from survbench.features.feature_sets import Bins, feature_set
from survbench.features.radiomics import extract
from toy_images import volume

PAPER, OWN = feature_set("paper"), feature_set("pyradiomics")
EVERY_SHAPE = tuple(sorted({*PAPER.shape, *OWN.shape}))
SHIFTED = {f"original_firstorder_{name}" for name in ("Energy", "TotalEnergy", "RootMeanSquared")}
"""The baselines of two cases add 2000 to every intensity before squaring (voxelArrayShift)."""

IBSI = {
    "shape": {
        "morph_volume": "MeshVolume", "morph_vol_approx": "VoxelVolume", "morph_area_mesh": "SurfaceArea",
        "morph_av": "SurfaceVolumeRatio", "morph_comp_1": "Compactness1", "morph_comp_2": "Compactness2",
        "morph_sph_dispr": "SphericalDisproportion", "morph_sphericity": "Sphericity",
        "morph_diam": "Maximum3DDiameter", "morph_pca_maj_axis": "MajorAxisLength",
        "morph_pca_min_axis": "MinorAxisLength", "morph_pca_least_axis": "LeastAxisLength",
        "morph_pca_elongation": "Elongation", "morph_pca_flatness": "Flatness",
    },
    "firstorder": {
        "stat_mean": "Mean", "stat_var": "Variance", "stat_skew": "Skewness", "stat_kurt": "Kurtosis",
        "stat_median": "Median", "stat_min": "Minimum", "stat_p10": "10Percentile", "stat_p90": "90Percentile",
        "stat_max": "Maximum", "stat_iqr": "InterquartileRange", "stat_range": "Range",
        "stat_mad": "MeanAbsoluteDeviation", "stat_rmad": "RobustMeanAbsoluteDeviation", "stat_energy": "Energy",
        "stat_rms": "RootMeanSquared", "ih_entropy": "Entropy", "ih_uniformity": "Uniformity",
    },
    "glcm": {
        "cm_joint_max_3D_avg": "MaximumProbability", "cm_joint_avg_3D_avg": "JointAverage",
        "cm_joint_var_3D_avg": "SumSquares", "cm_joint_entr_3D_avg": "JointEntropy",
        "cm_diff_avg_3D_avg": "DifferenceAverage", "cm_diff_var_3D_avg": "DifferenceVariance",
        "cm_diff_entr_3D_avg": "DifferenceEntropy", "cm_sum_avg_3D_avg": "SumAverage",
        "cm_sum_entr_3D_avg": "SumEntropy", "cm_energy_3D_avg": "JointEnergy", "cm_contrast_3D_avg": "Contrast",
        "cm_inv_diff_3D_avg": "Id", "cm_inv_diff_norm_3D_avg": "Idn", "cm_inv_diff_mom_3D_avg": "Idm",
        "cm_inv_diff_mom_norm_3D_avg": "Idmn", "cm_inv_var_3D_avg": "InverseVariance",
        "cm_corr_3D_avg": "Correlation", "cm_auto_corr_3D_avg": "Autocorrelation",
        "cm_clust_tend_3D_avg": "ClusterTendency", "cm_clust_shade_3D_avg": "ClusterShade",
        "cm_clust_prom_3D_avg": "ClusterProminence", "cm_info_corr1_3D_avg": "Imc1", "cm_info_corr2_3D_avg": "Imc2",
    },
    "glrlm": {
        "rlm_sre_3D_avg": "ShortRunEmphasis", "rlm_lre_3D_avg": "LongRunEmphasis",
        "rlm_lgre_3D_avg": "LowGrayLevelRunEmphasis", "rlm_hgre_3D_avg": "HighGrayLevelRunEmphasis",
        "rlm_srlge_3D_avg": "ShortRunLowGrayLevelEmphasis", "rlm_srhge_3D_avg": "ShortRunHighGrayLevelEmphasis",
        "rlm_lrlge_3D_avg": "LongRunLowGrayLevelEmphasis", "rlm_lrhge_3D_avg": "LongRunHighGrayLevelEmphasis",
        "rlm_glnu_3D_avg": "GrayLevelNonUniformity", "rlm_glnu_norm_3D_avg": "GrayLevelNonUniformityNormalized",
        "rlm_rlnu_3D_avg": "RunLengthNonUniformity", "rlm_rlnu_norm_3D_avg": "RunLengthNonUniformityNormalized",
        "rlm_r_perc_3D_avg": "RunPercentage", "rlm_gl_var_3D_avg": "GrayLevelVariance",
        "rlm_rl_var_3D_avg": "RunVariance", "rlm_rl_entr_3D_avg": "RunEntropy",
    },
    "glszm": {
        "szm_sze_3D": "SmallAreaEmphasis", "szm_lze_3D": "LargeAreaEmphasis", "szm_lgze_3D": "LowGrayLevelZoneEmphasis",
        "szm_hgze_3D": "HighGrayLevelZoneEmphasis", "szm_szlge_3D": "SmallAreaLowGrayLevelEmphasis",
        "szm_szhge_3D": "SmallAreaHighGrayLevelEmphasis", "szm_lzlge_3D": "LargeAreaLowGrayLevelEmphasis",
        "szm_lzhge_3D": "LargeAreaHighGrayLevelEmphasis", "szm_glnu_3D": "GrayLevelNonUniformity",
        "szm_glnu_norm_3D": "GrayLevelNonUniformityNormalized", "szm_zsnu_3D": "SizeZoneNonUniformity",
        "szm_zsnu_norm_3D": "SizeZoneNonUniformityNormalized", "szm_z_perc_3D": "ZonePercentage",
        "szm_gl_var_3D": "GrayLevelVariance", "szm_zs_var_3D": "ZoneVariance", "szm_zs_entr_3D": "ZoneEntropy",
    },
    "ngtdm": {
        "ngt_coarseness_3D": "Coarseness", "ngt_contrast_3D": "Contrast", "ngt_busyness_3D": "Busyness",
        "ngt_complexity_3D": "Complexity", "ngt_strength_3D": "Strength",
    },
}  # fmt: skip
"""IBSI's tag -> pyradiomics' name: everything that both define."""

IBSI_EXCEPTIONS = {
    # pyradiomics does not subtract the 3 of a normal distribution
    "stat_kurt": lambda value, voxels: value - 3,
    # pyradiomics divides the covariance by n, IBSI's consensus fits n - 1 (the phantom has 74 voxels)
    "morph_pca_min_axis": lambda value, voxels: value * math.sqrt(voxels / (voxels - 1)),
    "morph_pca_least_axis": lambda value, voxels: value * math.sqrt(voxels / (voxels - 1)),
}
"""Where pyradiomics leaves IBSI, and what leads back; docs/reference/features.md lists the same names."""


def on_original(bins):
    """Return a set of all features of the original image."""
    return PAPER.model_copy(update={"bins": bins, "images": ("original",), "shape": EVERY_SHAPE})


def patient(image, mask, spacing, modality="CT"):
    affine = np.diag([*spacing, 1.0])
    return Subject("P", "", {}, {"ct": volume(image, modality, affine), "mask": volume(mask, "MASK", affine)})


def ours(name):
    """Return our name of a feature that pyradiomics calls ``name``."""
    return f"shape_{name.split('_')[-1]}" if "_shape_" in name else f"ct_{name}"


@pytest.fixture(scope="module", params=["brain1", "breast1"])
def case(request):
    """Return a case's name, and image and label as SimpleITK reads them."""
    import SimpleITK as sitk  # as its manual names it

    images = [sitk.ReadImage(REFERENCE / "pyradiomics" / f"{request.param}_{kind}.nrrd") for kind in ("image", "label")]
    return request.param, *images


def as_patient(image, label, shift=0.0):
    import SimpleITK as sitk

    voxels, mask = (sitk.GetArrayFromImage(i).transpose(2, 1, 0) for i in (image, label))
    return patient(voxels.astype(float) + shift, mask == 1, image.GetSpacing())


@pytest.mark.parametrize("bins", [Bins(width={"CT": 25.0}), Bins(count=32)], ids=str)
def test_our_path_equals_a_direct_call_on_a_larger_image_bit_for_bit(case, bins):
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    _, image, label = case
    extractor = RadiomicsFeatureExtractor(**bins.settings("CT"))
    extractor.enableImageTypes(Original={}, Wavelet={})
    extractor.disableAllFeatures()
    extractor.enableFeaturesByName(**{k: list(v) for k, v in PAPER.features.items()}, shape=list(EVERY_SHAPE))
    direct = extractor.execute(image, label)
    wanted = PAPER.model_copy(update={"bins": bins, "shape": EVERY_SHAPE})
    found = extract(as_patient(image, label), wanted).values
    expected = {ours(k): float(np.real(v)) for k, v in direct.items() if not k.startswith("diagnostics")}
    assert len(expected) == 80 * 9 + 17
    assert found == expected


@pytest.mark.parametrize("variant", ["", "_FBN", "_flatRegion"])
def test_pyradiomics_published_baselines(case, variant):
    """Settings that a feature set can express; the others resample, normalise, resegment, cut into slices or weight."""
    name, image, label = case
    baseline = stored("pyradiomics/baseline.json")[name + variant]
    expected, settings = baseline["values"], baseline["settings"]
    count, width = settings.get("binCount"), settings.get("binWidth", 25)
    wanted = on_original(Bins(count=count) if count else Bins(width={"CT": width}))
    found = extract(as_patient(image, label), wanted).values
    shift = settings.get("voxelArrayShift", 0)
    shifted = extract(as_patient(image, label, shift), wanted).values
    assert len(expected) == (93 if not variant else 61)
    for feature, value in expected.items():
        mine = (shifted if feature in SHIFTED else found)[ours(feature)]
        assert mine == pytest.approx(value, rel=1e-3), feature


def test_the_ibsi_digital_phantom():
    import nibabel as nib

    folder = REFERENCE / "ibsi"
    image, mask = (nib.load(folder / f"{n}.nii.gz") for n in ("phantom", "mask"))
    inside = np.asarray(mask.dataobj) > 0
    spacing = [float(mm) for mm in image.header.get_zooms()]
    wanted = on_original(Bins(width={"CT": 1.0}))
    found = extract(patient(np.asarray(image.dataobj, dtype=float), inside, spacing), wanted).values
    with (folder / "consensus.csv").open(encoding="utf-8") as stream:
        reference = {r["tag"]: r for r in csv.DictReader(stream, delimiter=";")}
    met = {}
    for group, names in IBSI.items():
        for tag, name in names.items():
            value = found[ours(f"original_{group}_{name}")]
            expected, tolerance = (float(reference[tag][k]) for k in ("reference value", "tolerance"))
            assert tag not in IBSI_EXCEPTIONS or not agrees(value, expected, tolerance), f"{tag} is no exception"
            met[tag] = agrees(IBSI_EXCEPTIONS.get(tag, lambda v, _: v)(value, inside.sum()), expected, tolerance)
    assert [tag for tag, ok in met.items() if not ok] == []
    assert len(met) == 91


def agrees(value, expected, tolerance):
    """Say whether a value is within IBSI's tolerance, or rounds to the consensus, which has three digits."""
    rounding = 0.5 * 10.0 ** (math.floor(math.log10(abs(expected))) - 2)
    return abs(value - expected) <= max(tolerance, rounding * (1 + 1e-9))
