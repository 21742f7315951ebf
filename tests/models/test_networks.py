"""DeepMTS's network: its published size, its parts by definition, and what teaches what."""

from __future__ import annotations

import pytest
import torch
from survbench.models.engine.layers import ConvBNReLU, JoiningConvolution, convolution, dense
from survbench.models.engine.losses import l2_penalty
from survbench.models.networks.deepmts.method import DeepMTS
from survbench.models.networks.deepmts.network import DeepMTSNetwork, Parts
from torch import nn
from torch.nn import functional

SEGMENTATION = {"csn": False, "hard_sharing": False}
SHARED = {"csn": False}
SHARED_ALONE = {"csn": False, "decoder": False}
CASCADED = {"hard_sharing": False}
CASCADED_ALONE = {"hard_sharing": False, "decoder": False}
UNET = {"backbone": "unet"}
PLAIN = {"taps": False}

# parameters, batch-norm buffers, convolutions, deep features of the published program
SIZES = [
    pytest.param({}, (3_709_672, 14_600, 99, 236), id="DeepMTS"),
    pytest.param(SEGMENTATION, (2_664_066, 3_104, 34, 0), id="Seg-Backbone"),
    pytest.param(SHARED_ALONE, (1_939_950, 2_440, 24, 124), id="Sur-HS"),
    pytest.param(CASCADED_ALONE, (1_025_610, 11_248, 60, 112), id="Sur-CasNet"),
    pytest.param(SHARED, (2_683_416, 3_352, 39, 124), id="MT-HS"),
    pytest.param(SHARED | PLAIN, (2_680_068, 3_104, 34, 248), id="MT-HS baseline"),
    pytest.param(CASCADED, (3_690_324, 14_352, 94, 112), id="MT-CasNet"),
    pytest.param(UNET | SEGMENTATION, (1_473_186, 1_472, 19, 0), id="U-net"),
    pytest.param(UNET | SHARED_ALONE | PLAIN, (900_930, 992, 10, 248), id="Sur-HS (U-net), code"),
    pytest.param(UNET | SHARED_ALONE, (904_278, 1_240, 15, 124), id="Sur-HS (U-net), taps"),
    pytest.param(UNET | SHARED | PLAIN, (1_489_188, 1_472, 19, 248), id="MT-HS (U-net), code"),
    pytest.param(UNET | SHARED, (1_492_536, 1_720, 24, 124), id="MT-HS (U-net), taps"),
    pytest.param(UNET | CASCADED, (2_499_444, 12_720, 79, 112), id="MT-CasNet (U-net)"),
    pytest.param(UNET | PLAIN, (2_515_444, 12_720, 79, 360), id="DeepMTS (U-net), code"),
    pytest.param(UNET, (2_518_792, 12_968, 84, 236), id="DeepMTS (U-net), taps"),
]


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(("parts", "size"), SIZES)
def test_networks_have_the_published_size(parts, size):
    names = ("parameters", "buffers", "conv_layers", "deep_features")
    assert DeepMTS(**parts).describe() == dict(zip(names, size, strict=True))


def test_each_clinical_column_and_channel_adds_its_weights_alone():
    size = DeepMTS().describe()["parameters"]
    assert DeepMTS().describe(clinical=4)["parameters"] == size + 3
    assert DeepMTS().describe(clinical=0)["parameters"] == size - 1
    # one channel less: 3x3x3 and 1x1x1 kernels of the first block (8 maps), and the stem (24 maps)
    assert DeepMTS().describe(channels=1)["parameters"] == size - (27 + 1) * 8 - 27 * 24


def test_describe_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    DeepMTS().describe()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("backbone", ["residual", "unet"])
@pytest.mark.parametrize(("channels", "clinical"), [(2, 1), (1, 0)])
def test_shapes(backbone, channels, clinical):
    network = DeepMTSNetwork(channels, clinical, Parts(backbone=backbone)).eval()
    with torch.inference_mode():
        output = network(torch.randn(2, channels, 32, 32, 48), torch.zeros(2, clinical))
    assert output.risk.shape == (2,)
    assert output.features.shape == (2, 236)
    assert output.probability.shape == (2, 1, 32, 32, 48)
    assert 0 <= output.probability.min() < output.probability.max() <= 1


@pytest.mark.slow
def test_maps_of_the_published_grid():
    network = DeepMTSNetwork(2, 1, Parts()).eval()
    sides = []
    network.csn.stem[0].register_forward_hook(lambda _m, _i, out: sides.append(tuple(out.shape[2:])))
    for block in network.csn.blocks:
        block.register_forward_hook(lambda _m, _i, out: sides.append(tuple(out.shape[2:])))
    for block in network.encoder.blocks:
        block.register_forward_hook(lambda _m, _i, out: sides.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        output = network(torch.randn(1, 2, 128, 128, 112), torch.zeros(1, 1))
    assert sides[:5] == [(8, 128, 128, 112), (16, 64, 64, 56), (32, 32, 32, 28), (64, 16, 16, 14), (128, 8, 8, 7)]
    assert sides[5:] == [(63, 63, 55), (31, 31, 27), (15, 15, 13), (7, 7, 6)]
    assert output.probability.shape == (1, 1, 128, 128, 112)


@pytest.mark.parametrize("kernel", [1, 3])
def test_joining_equals_convolving_the_concatenation(kernel):
    joining = JoiningConvolution(6, 4, 5, kernel).double()
    nn.init.normal_(joining.convolution.bias)
    deep = torch.randn(2, 6, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    skip = torch.randn(2, 4, 6, 8, 10, dtype=torch.float64, requires_grad=True)
    joined = joining((deep, skip))
    plain = joining.convolution(torch.cat([functional.interpolate(deep, scale_factor=2, mode="nearest"), skip], dim=1))
    assert torch.allclose(joined, plain, atol=1e-12)
    wanted = (deep, skip, *joining.parameters())
    weights = torch.randn_like(plain)
    for ours, theirs in zip(
        torch.autograd.grad((joined * weights).sum(), wanted),
        torch.autograd.grad((plain * weights).sum(), wanted),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-10)


def test_a_residual_block_adds_after_the_activations():
    block = DeepMTSNetwork(2, 1, Parts()).encoder.blocks[0].train()
    images = torch.randn(2, 2, 8, 8, 8)
    first = block.first(images) + block.shortcut(images)
    assert torch.allclose(block(images), block.rest[0](first) + first, atol=1e-6)


def test_the_trunk_of_the_cascaded_network_goes_on_from_unnormalised_maps():
    csn = DeepMTSNetwork(2, 1, Parts(**CASCADED_ALONE)).csn.eval()
    seen = []
    csn.transitions[0].register_forward_hook(lambda _m, _i, out: seen.append(out))
    csn.blocks[1].register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    csn(torch.randn(1, 2, 64, 64, 64))
    assert seen[0].min() < 0
    assert torch.equal(seen[1], functional.avg_pool3d(seen[0], 2))


def test_the_risk_teaches_the_segmentation_branch():
    network = DeepMTSNetwork(2, 1, Parts(**CASCADED)).train()
    network(torch.randn(2, 2, 32, 32, 32), torch.zeros(2, 1)).risk[0].backward()
    assert network.decoder.output.weight.grad.abs().sum() > 0
    assert network.encoder.blocks[0].first.convolution.weight.grad.abs().sum() > 0


def test_the_clinical_value_moves_the_risk_and_is_dropped_in_training():
    network = DeepMTSNetwork(2, 1, Parts(**SHARED_ALONE)).eval()
    images = torch.randn(1, 2, 32, 32, 32).expand(2, -1, -1, -1, -1)
    with torch.inference_mode():
        low, high = network(images, torch.tensor([[0.0], [1.0]])).risk.tolist()
    assert high - low == pytest.approx(network.head.risk.weight[0, -1].item(), rel=1e-2)
    network.head.train()
    features = [torch.zeros(400, 124)]
    risks = network.head(features, torch.ones(400, 1)).detach()
    assert 0.4 < (risks == 0).float().mean().item() < 0.6


def test_initialisation_follows_keras():
    conv, fc = convolution(8, 16, 3), dense(124, 64)
    he, glorot = (6 / (8 * 27)) ** 0.5, (6 / (124 + 64)) ** 0.5
    assert 0.98 * he < conv.weight.abs().max() <= he
    assert 0.98 * glorot < fc.weight.abs().max() <= glorot
    assert not conv.bias.any()
    assert not fc.bias.any()
    assert ConvBNReLU(2, 3, 1).norm.eps == 1e-3


def test_l2_of_a_fresh_head():
    values = []
    for seed in range(5):
        torch.manual_seed(seed)
        values.append(l2_penalty(DeepMTSNetwork(2, 1, Parts()).head.kernels()).item())
    assert all(16 < value < 18 for value in values)
