"""Every network of the paper has the published size, at the paper's grid and at the smallest."""

from __future__ import annotations

import pytest
import torch
from survbench.plan.registry import registry
from survbench.work.construct import construct

# trainable parameters, batch-norm buffers, convolutions, deep features at two channels and one clinical value
SIZES = {
    "deepmts": (3_709_672, 14_600, 99, 236),
    "seg-backbone": (2_664_066, 3_104, 34, 0),
    "sur-hs": (1_939_950, 2_440, 24, 124),
    "sur-hs-seg": (1_939_950, 2_440, 24, 124),
    "sur-casnet": (1_025_610, 11_248, 60, 112),
    "sur-casnet-seg": (1_025_610, 11_248, 60, 112),
    "mt-hs": (2_683_416, 3_352, 39, 124),
    "mt-hs-baseline": (2_680_068, 3_104, 34, 248),
    "mt-casnet": (3_690_324, 14_352, 94, 112),
    "unet": (1_473_186, 1_472, 19, 0),
    "sur-hs-unet": (900_930, 992, 10, 248),
    "sur-hs-unet-taps": (904_278, 1_240, 15, 124),
    "mt-hs-unet": (1_489_188, 1_472, 19, 248),
    "mt-hs-unet-taps": (1_492_536, 1_720, 24, 124),
    "mt-casnet-unet": (2_499_444, 12_720, 79, 112),
    "deepmts-unet": (2_515_444, 12_720, 79, 360),
    "deepmts-unet-taps": (2_518_792, 12_968, 84, 236),
    "mdsn": (875_866, 9_376, 53, 272),
    "dlpm": (248_496, 1_124, 8, 80),
    "cnn-survival": (309_612, 384, 6, 32),
}


def made(name):
    info = registry().methods[name]
    return info, construct(info.target, info.params)


def test_all_networks_of_the_registry_are_in_the_table():
    assert {m.name for m in registry().methods.values() if m.selects} == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_size(name):
    found = made(name)[1].describe(channels=2, clinical=1)
    assert tuple(found[k] for k in ("parameters", "buffers", "conv_layers", "deep_features")) == SIZES[name]


@pytest.mark.parametrize("grid", [(128, 128, 112), (32, 32, 32)], ids=str)
@pytest.mark.parametrize("name", SIZES)
def test_shapes_follow_the_declaration(name, grid):
    info, method = made(name)
    with torch.device("meta"):
        network = method.build(2, 1).eval()
        output = network(torch.zeros(2, 2, *grid), torch.zeros(2, 1))
    shapes = {key: None if (v := getattr(output, key)) is None else tuple(v.shape) for key in ("risk", "probability")}
    assert shapes["risk"] == ((2,) if "risk" in info.gives else None)
    assert shapes["probability"] == ((2, 1, *grid) if "segmentation" in info.gives else None)
    if "embedding" in info.gives:
        assert output.features.shape == (2, SIZES[name][3])
    if "survival" in info.gives:
        assert output.conditional.shape == (2, 6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["deepmts", "mdsn", "dlpm", "cnn-survival", "unet"])
def test_other_numbers_of_channels_and_no_clinical_value(name, channels):
    _, method = made(name)
    with torch.device("meta"):
        method.build(channels, 0)(torch.zeros(2, channels, 32, 32, 32), torch.zeros(2, 0))


def test_tables_of_the_paper_are_selectable():
    tables = {number: {m.name for m in registry().select(f"@table-{number}")} for number in "2345"}
    assert {"radiomics-lasso-cox", "cnn-survival", "mdsn", "dlpm", "deepmts"} <= tables["2"]
    assert tables["3"] == {
        "seg-backbone", "sur-hs", "sur-hs-seg", "sur-casnet", "sur-casnet-seg", "mt-hs", "mt-casnet", "deepmts",
    }  # fmt: skip
    assert {"unet", "sur-hs-unet", "mt-hs-unet", "mt-casnet-unet", "deepmts-unet", "deepmts"} <= tables["4"]
    assert tables["5"] == {"seg-backbone", "sur-hs", "mt-hs", "mt-hs-baseline"}
    assert {m.name for m in registry().select("@paper")} == set().union(*tables.values())


def test_dlpm_starts_without_an_opinion():
    _, method = made("dlpm")
    network = method.build(2, 1).eval()
    output = network(torch.randn(2, 2, 32, 32, 32), torch.ones(2, 1))
    assert torch.allclose(output.conditional, torch.full((2, 6), 0.5))
    assert torch.allclose(output.risk, torch.full((2,), 1 - 0.5**3))


def test_cnn_survival_looks_at_the_slice_with_the_largest_tumour_alone():
    from survbench.models.networks.cnn_survival import largest_slice

    images = torch.zeros(2, 2, 32, 32, 32)
    images[0, :, 10:14, 10:14, 5] = 1.0
    images[0, :, 10:20, 10:20, 9] = 2.0
    images[1, 0, 3:9, 3:9, 30] = -3.0
    found = largest_slice(images)
    assert found.shape == (2, 2, 128, 128)
    assert found[0].max() == 2.0
    assert found[0].sum() / 16 == pytest.approx(2 * 100 * 2.0)
    assert found[1, 0].min() == -3.0
