"""The layers of the networks against torch's own, in double precision."""

import copy

import numpy as np
import pytest
import torch
from survbench.models.engine.adam import Adam
from survbench.models.engine.layers import convolution
from survbench.models.engine.norm import BatchNorm
from torch import nn
from torch.nn import functional

LAYOUT = torch.channels_last_3d


def maps(*shape, dtype=torch.float64, seed=0, mean=0.5):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator, dtype=dtype).add_(mean)
    return values.contiguous(memory_format=LAYOUT).requires_grad_()


def randomised(layer):
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.2, 1.5)
    return layer


def torchs(norm, x, added):
    """The same layer by torch's functions; returns the result and the running averages."""
    mean, variance = norm.running_mean.clone(), norm.running_var.clone()
    result = functional.batch_norm(x, mean, variance, norm.weight, norm.bias, True, norm.momentum, norm.eps)
    result = functional.relu(result) if norm.relu else result
    return (result if added is None else result + added), mean, variance


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize("shape", [(4, 8, 6, 5, 4), (2, 3, 5, 3, 3), (2, 64, 1, 1, 1), (3, 130, 2, 2, 2)])
def test_the_normalisation_is_that_of_torch(shape, relu, sums):
    norm = randomised(BatchNorm(shape[1], relu=relu).double())
    x, added = maps(*shape), maps(*shape, seed=1) if sums else None
    theirs, mean, variance = torchs(norm, x, added)
    ours = norm(x, added)
    assert torch.allclose(ours, theirs, atol=1e-12)
    assert torch.allclose(norm.running_mean, mean, atol=1e-14)
    assert torch.allclose(norm.running_var, variance, atol=1e-14)
    wanted = [x, norm.weight, norm.bias, *([added] if sums else [])]
    gradient = torch.randn_like(theirs)
    for a, b in zip(
        torch.autograd.grad(ours, wanted, gradient), torch.autograd.grad(theirs, wanted, gradient), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-11)


def test_the_normalisation_takes_maps_of_any_memory_layout():
    norm = randomised(BatchNorm(8).double())
    x = maps(2, 8, 4, 4, 4)
    gradient = torch.randn(2, 8, 4, 4, 4, dtype=torch.float64)  # contiguous
    last = torch.autograd.grad(norm(x), x, gradient)[0]
    first = x.detach().contiguous().requires_grad_()
    assert torch.equal(torch.autograd.grad(norm(first), first, gradient)[0], last)


@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_single_precision_is_exact_to_rounding_at_a_million_voxels(mean):
    norm = BatchNorm(8, relu=False)
    x = maps(4, 8, 32, 32, 32, dtype=torch.float32, mean=mean)
    exact = torchs(norm.double(), x.double(), None)[0]
    error = (norm.float()(x).double() - exact).abs().max()
    assert error < 1e-5 * max(1.0, mean)


def test_what_is_not_a_number_stays_visible():
    norm = BatchNorm(4)
    x = maps(2, 4, 2, 2, 2).detach().float()
    x[0, 1, 0, 0, 0] = np.nan
    result = norm(x)
    assert result[:, 1].isnan().all()
    assert result[:, [0, 2, 3]].isfinite().all()


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("patients", [1, 2])
def test_a_convolution_is_that_of_torch_for_every_batch(kernel, patients):
    layer = randomised(convolution(3, 5, kernel))
    x = maps(patients, 3, 6, 5, 4, dtype=torch.float32)
    with torch.inference_mode():
        plain = functional.conv3d(x.double(), layer.weight.double(), layer.bias.double(), padding=kernel // 2)
        assert torch.allclose(layer(x).double(), plain, atol=1e-5)


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(convolution(2, 4, 3), BatchNorm(4), convolution(4, 2, 1))
    return layers.double().to(memory_format=LAYOUT)


def test_adam_is_that_of_torch():
    ours = network()
    theirs = copy.deepcopy(ours)
    x = maps(4, 2, 4, 4, 4).detach()
    one, other = Adam(ours, beta2=0.99), torch.optim.Adam(theirs.parameters(), betas=(0.9, 0.99), eps=1e-7)
    for rate in (0.1, 0.03, 0.01):
        one.gradient.zero_()
        other.zero_grad()
        other.param_groups[0]["lr"] = rate
        for module in (ours, theirs):
            (module(x) - x.flip(2)).square().sum().backward()
        norm = torch.linalg.vector_norm(one.gradient)
        assert torch.allclose(norm, nn.utils.clip_grad_norm_(theirs.parameters(), 1.0))
        one.bound(norm, 1.0)
        one.step(rate)
        other.step()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-9), name


def test_adam_does_not_load_the_compiler_of_torch():
    import subprocess
    import sys

    code = (
        "import sys, torch; from survbench.models.engine.adam import Adam; n = torch.nn.Linear(2, 1); a = Adam(n);"
        "n(torch.ones(1, 2)).sum().backward(); a.step(0.1); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_loops_compile_where_nothing_can_be_kept_on_disk(monkeypatch):
    from numba.core import caching
    from survbench.models.engine.norm_kernels import compiled

    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    assert compiled(lambda number: number + 1)(1) == 2
