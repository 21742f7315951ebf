"""The trainer of networks: schedule, batches, augmentation, checkpoints, fits that repeat and go on after a kill."""

from __future__ import annotations

import dataclasses
import json
import logging
import random

import numpy as np
import pytest
import torch
from scipy import ndimage
from survbench.api import Context, DeadlineError, NotFittedError, Seeds
from survbench.errors import BenchError
from survbench.metrics import concordance_index, cox_loss
from survbench.models.engine import trainer
from survbench.models.engine.augment import Augmentation, resample
from survbench.models.engine.checkpoint import read_checkpoint, write_checkpoint
from survbench.models.engine.recipe import Recipe, evaluation_steps
from survbench.models.engine.sampler import balanced_rows
from survbench.models.engine.tensors import stack
from survbench.models.engine.trainer import DivergedError
from survbench.models.networks.deepmts.method import DeepMTS
from survbench.plan.profile import load_profile
from survbench.training import ShortBudget, Training
from torch.nn import functional
from toy_images import AFFINE, toy_cohort

CASCADED = {"decoder": False, "hard_sharing": False}
"""The cheapest parts that give a risk."""
SHORT = {
    "short_budget": ShortBudget(
        peak_learning_rate=0.01, adam_beta2=0.99, zero_start=True, risk_set="fold", survival_weight=0.3
    )
}


class Recorder:
    """A monitor that keeps what it is told."""

    def __init__(self, cohort):
        self.cohort = cohort
        self.risks, self.maps = {}, {}

    def record(self, step, *, risk=None, probability=None):
        self.risks[step] = risk
        self.maps[step] = None if probability is None else list(probability)


class StopError(Exception):
    pass


@pytest.fixture
def context(tmp_path):
    def make(*, steps=3, batch_size=4, evaluations=0, scale=10.0, momentum=0.1, name="scratch", **more):
        scratch = tmp_path / name
        scratch.mkdir(exist_ok=True)
        names = ("micro_batches", "precision", "memory_layout", "short_budget")
        settings = {key: more.pop(key) for key in names if key in more}
        training = Training(
            steps=steps,
            batch_size=batch_size,
            learning_rate_scale=1.0 if "short_budget" in settings else scale,
            batch_norm_momentum=momentum,
            evaluations=evaluations,
            **settings,
        )
        return Context(seeds=Seeds(0, 0, "test"), training=training, scratch=scratch, **more)

    return make


def weights(method):
    return method._fitted.network.state_dict()


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def plain(cohort, needs=("images", "clinical")):
    return cohort.unlabelled(needs)


# --- schedule, batches


def test_schedule_of_the_paper():
    training = load_profile("paper").training
    rates = [Recipe().learning_rate(done, training) for done in (0, 2_499, 2_500, 4_999, 5_000, 9_999, 10_000, 14_999)]
    assert rates == [1e-4, 1e-4, 5e-5, 5e-5, 1e-5, 1e-5, 1e-6, 1e-6]
    assert training.learning_rate_scale == 1


def test_schedule_is_compressed_in_proportion():
    training = Training(steps=30, batch_size=4)
    rates = [Recipe().learning_rate(done, training) for done in range(30)]
    assert rates == [1e-4] * 5 + [5e-5] * 5 + [1e-5] * 10 + [1e-6] * 10


@pytest.mark.parametrize(("steps", "evaluations", "expected"), [(6, 2, {3, 6}), (3, 20, {1, 2, 3}), (5, 0, set())])
def test_evaluations_are_even_and_include_the_last_step(steps, evaluations, expected):
    assert evaluation_steps(steps, evaluations) == expected


def test_a_batch_is_half_events_and_half_censored():
    event = np.array([True] + [False] * 30)
    rng = np.random.default_rng(0)
    drawn = [balanced_rows(event, 8, rng) for _ in range(200)]
    assert all(event[rows].sum() == 4 for rows in drawn)
    assert set(np.concatenate(drawn)) == set(range(31))


@pytest.mark.parametrize("everyone", [True, False])
def test_a_batch_of_one_kind_when_there_is_only_one(everyone):
    rows = balanced_rows(np.full(5, everyone), 8, np.random.default_rng(0))
    assert rows.shape == (8,)
    assert set(rows) <= set(range(5))


# --- augmentation


def smooth_inputs(shape=(32, 48, 32), affine=AFFINE):
    rng = np.random.default_rng(0)
    cohort = toy_cohort(2, shape=shape)
    inputs = stack(cohort, np.zeros((2, 1)), mask=True)
    images = ndimage.gaussian_filter(rng.standard_normal((2, 2, *shape)), (0, 0, 2, 2, 2)).astype(np.float32)
    return dataclasses.replace(inputs, images=torch.from_numpy(images), affines=np.stack([affine] * 2))


def identity(n=2):
    return np.tile(np.eye(3, 4), (n, 1, 1))


def test_the_identity_changes_nothing():
    inputs = smooth_inputs()
    moved = resample(inputs, identity())
    assert torch.allclose(moved.images, inputs.images, atol=1e-6)
    assert torch.equal(moved.mask, inputs.mask)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_flip_mirrors_left_and_right_wherever_the_array_has_them(axis):
    affine = np.eye(4)
    affine[:3, :3] = np.roll(np.diag([-4.0, 4.0, 4.0]), axis, axis=1)
    inputs = smooth_inputs(affine=affine)
    flip = Augmentation(translate_mm=0, rotate_degrees=0, flip_probability=1)
    moved = flip(inputs, np.random.default_rng(0))
    assert torch.allclose(moved.images, inputs.images.flip(2 + axis), atol=1e-6)
    assert torch.equal(moved.mask, inputs.mask.flip(2 + axis))


@pytest.mark.parametrize(("spacing", "voxels"), [(4.0, 2), (1.0, 8)])
def test_a_shift_is_in_millimetres_whatever_the_voxels(spacing, voxels):
    inputs = smooth_inputs(affine=np.diag([spacing, spacing, spacing, 1.0]))
    maps = identity()
    maps[:, 1, 3] = 8.0
    moved = resample(inputs, maps)
    assert torch.allclose(moved.images[..., :-voxels, :], inputs.images[..., voxels:, :], atol=1e-5)
    assert not moved.images[..., -voxels:, :].any()
    assert not moved.mask[..., -voxels:, :].any()


def test_a_rotation_equals_scipys_on_anisotropic_voxels():
    spacing = np.array([2.0, 1.0, 3.0])
    inputs = smooth_inputs(affine=np.diag([*spacing, 1.0]))
    rng = np.random.default_rng(3)
    turn = Augmentation(translate_mm=4, rotate_degrees=20, flip_probability=0.5)
    maps = np.stack([turn.draw(affine, rng) for affine in inputs.affines])
    moved = resample(inputs, maps)
    centre = (np.array(inputs.images.shape[2:]) - 1) / 2
    for patient, mapping in enumerate(maps):
        matrix = mapping[:, :3] * spacing / spacing[:, None]
        offset = centre + mapping[:, 3] / spacing - matrix @ centre
        for channel in range(2):
            image = inputs.images[patient, channel].numpy()
            expected = ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant", cval=0.0)
            assert np.allclose(moved.images[patient, channel].numpy(), expected, atol=1e-4)


def test_drawn_maps_stay_within_their_bounds():
    augmentation, rng = Augmentation(), np.random.default_rng(0)
    maps = np.stack([augmentation.draw(AFFINE, rng) for _ in range(2000)])
    shifts, flipped = maps[:, :, 3], np.linalg.det(maps[:, :, :3]) < 0
    assert 9.9 < np.abs(shifts).max() <= 10
    assert np.abs(shifts.mean(axis=0)).max() < 0.5
    assert 0.46 < flipped.mean() < 0.54
    angles = np.degrees(np.arccos(np.clip((np.trace(maps[~flipped][:, :, :3], axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert 5 < angles.max() < 5 * np.sqrt(3) + 0.5
    assert 2 < angles.mean() < 6


# --- checkpoints


def test_a_checkpoint_comes_back(tmp_path):
    state = {"step": 3, "curves": [(1, {"L": 0.5})], "network": {"w": torch.arange(3.0)}, "best": None}
    write_checkpoint(tmp_path / "a.checkpoint", state)
    found = read_checkpoint(tmp_path / "a.checkpoint")
    assert torch.equal(found.pop("network")["w"], state.pop("network")["w"])
    assert found == state
    assert [p.name for p in tmp_path.iterdir()] == ["a.checkpoint"]


def test_a_damaged_checkpoint_is_named_and_not_used(tmp_path, caplog):
    path = tmp_path / "a.checkpoint"
    write_checkpoint(path, {"w": torch.arange(1000.0)})
    content = bytearray(path.read_bytes())
    content[-500] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_checkpoint(path) is None
    assert str(path) in caplog.text
    path.write_bytes(b"")
    assert read_checkpoint(path) is None


def test_a_checkpoint_that_dies_while_written_leaves_the_earlier_one(tmp_path, monkeypatch):
    path = tmp_path / "a.checkpoint"
    write_checkpoint(path, {"step": 1})
    monkeypatch.setattr("os.fsync", lambda _fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"bytes cannot be written \(No space left on device\).*a\.checkpoint"):
        write_checkpoint(path, {"step": 2})
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["a.checkpoint"]
    assert read_checkpoint(path) == {"step": 1}
    write_checkpoint(path, {"step": 2})
    assert read_checkpoint(path) == {"step": 2}


# --- a fit


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """DeepMTS after three steps, with what it reported and what its monitor saw."""
    cohort, reported = toy_cohort(8), []
    ctx = Context(
        seeds=Seeds(0, 0, "test"),
        training=Training(steps=3, batch_size=4, learning_rate_scale=10, batch_norm_momentum=0.1, evaluations=2),
        scratch=tmp_path_factory.mktemp("scratch"),
        monitor=Recorder(plain(toy_cohort(5, seed=1))),
        report=lambda step, values: reported.append((step, dict(values))),
    )
    return DeepMTS().fit(cohort, validation=None, ctx=ctx), ctx, reported


def test_losses_are_reported_at_every_step(fitted):
    _, _, reported = fitted
    assert [step for step, _ in reported] == [1, 2, 3]
    for _, values in reported:
        assert set(values) == {"L", "L_seg", "L_sur", "L_2"}
        assert values["L"] == pytest.approx(values["L_seg"] + values["L_sur"] + values["L_2"], rel=1e-5)
    assert 16 < reported[0][1]["L_2"] < 18
    assert -1 < reported[0][1]["L_seg"] < 0


def test_the_monitor_sees_what_the_method_predicts(fitted):
    method, ctx, _ = fitted
    monitor = ctx.monitor
    assert set(monitor.risks) == {2, 3}
    assert np.allclose(monitor.risks[3], method.predict_risk(monitor.cohort), atol=1e-5)
    assert not np.allclose(monitor.risks[2], monitor.risks[3], atol=1e-5)
    for seen, predicted in zip(monitor.maps[3], method.segment(monitor.cohort), strict=True):
        assert np.allclose(seen, predicted, atol=1e-5)


def test_predictions_have_the_promised_form(fitted):
    method, _, _ = fitted
    cohort = plain(toy_cohort(5, seed=2, shape=(32, 48, 32)))
    risk, maps = method.predict_risk(cohort), list(method.segment(cohort))
    assert risk.shape == (5,)
    assert risk.dtype == np.float64
    assert len(maps) == 5
    assert all(m.shape == (32, 48, 32) and m.dtype == np.float32 and 0 <= m.min() <= m.max() <= 1 for m in maps)
    assert method.embed(cohort).shape == (5, 236)


def test_a_patient_alone_and_among_others_gets_the_same(fitted):
    method, _, _ = fitted
    cohort = plain(toy_cohort(5, seed=2))
    together, features, maps = method.predict_risk(cohort), method.embed(cohort), list(method.segment(cohort))
    for row in range(5):
        alone = cohort.take([row])
        assert np.allclose(method.predict_risk(alone), together[row], atol=1e-4)
        assert np.allclose(method.embed(alone), features[row], atol=1e-4)
        assert np.allclose(next(iter(method.segment(alone))), maps[row], atol=1e-4)


def test_a_saved_model_predicts_the_same(fitted, tmp_path):
    method, _, _ = fitted
    cohort, before = plain(toy_cohort(3, seed=2)), torch.get_rng_state()
    method.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["network.json", "network.safetensors"]
    assert json.loads((tmp_path / "network.json").read_text(encoding="utf-8"))["channels"] == ["pet", "ct"]
    loaded = DeepMTS().load(tmp_path, device="cpu")
    assert np.array_equal(loaded.predict_risk(cohort), method.predict_risk(cohort))
    assert same(weights(loaded), weights(method))
    assert torch.equal(torch.get_rng_state(), before)


def test_another_cohorts_channels_are_refused(fitted):
    with pytest.raises(BenchError, match="trained on the channels pet, ct, but these patients have pet"):
        fitted[0].predict_risk(plain(toy_cohort(2, channels=("pet",))))


def test_nothing_is_predicted_before_a_fit(tmp_path):
    cohort = plain(toy_cohort(1))
    for act in (DeepMTS().predict_risk, DeepMTS().embed, DeepMTS().segment):
        with pytest.raises(NotFittedError):
            act(cohort)
    with pytest.raises(NotFittedError):
        DeepMTS().save(tmp_path)


def test_a_fit_repeats_and_touches_no_global_state(context):
    cohort = toy_cohort(6)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002  # the global generator is what is tested
    random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    flags = (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
    )
    first = DeepMTS().fit(cohort, validation=None, ctx=context(name="first"))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]
    assert flags == (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
    )
    torch.manual_seed(2)
    second = DeepMTS().fit(cohort, validation=None, ctx=context(name="second"))
    assert same(weights(first), weights(second))
    third = dataclasses.replace(context(name="third"), seeds=Seeds(1, 0, "test"))
    assert not same(weights(first), weights(DeepMTS().fit(cohort, validation=None, ctx=third)))


@pytest.mark.parametrize(
    ("parts", "selection", "more"), [({}, "last", {}), (CASCADED, "inner", {}), (CASCADED, "last", SHORT)]
)
def test_a_killed_fit_continues_bit_for_bit(context, monkeypatch, parts, selection, more):
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    cohort, validation = toy_cohort(6), toy_cohort(4, seed=1)
    whole, seen = [], []

    def fit(report, name):
        ctx = context(steps=4, evaluations=4, name=name, selection=selection, report=report, **more)
        return DeepMTS(**parts).fit(cohort, validation=validation, ctx=ctx)

    def stop(step, values):
        if step == 3:
            raise StopError

    uninterrupted = fit(lambda step, values: whole.append((step, dict(values))), "whole")
    with pytest.raises(StopError):
        fit(stop, "killed")
    resumed = fit(lambda step, values: seen.append((step, dict(values))), "killed")
    assert same(weights(resumed), weights(uninterrupted))
    assert seen == whole


class OnlyReLU(torch.nn.Module):
    def forward(self, maps, added=None):
        maps = functional.relu(maps)
        return maps if added is None else maps + added


class Unnormalised(DeepMTS):
    """DeepMTS without batch normalisation and dropout: what a patient gives does not depend on the others."""

    def build(self, channels, clinical):
        network = super().build(channels, clinical)
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, torch.nn.BatchNorm3d):
                    setattr(parent, name, OnlyReLU())
        return network


def test_a_batch_in_parts_has_the_gradient_of_the_whole(context):
    quiet = {"head_dropout": 0.0, "csn_dropout": 0.0}
    train = toy_cohort(8)
    whole = Unnormalised(**quiet).fit(train, validation=None, ctx=context(batch_size=8, scale=0.1, name="whole"))
    parts = Unnormalised(**quiet).fit(
        train, validation=None, ctx=context(batch_size=8, scale=0.1, name="parts", micro_batches=4)
    )
    # Adam divides a gradient by its size: where it is nothing but rounding, the step is, too
    pairs = [(tensor, weights(parts)[name]) for name, tensor in weights(whole).items()]
    other = torch.cat([~torch.isclose(a, b, atol=2e-6).flatten() for a, b in pairs])
    assert other.double().mean() < 1e-5
    assert all(torch.allclose(a, b, atol=5e-5) for a, b in pairs)


def test_running_averages_move_once_for_each_part(context):
    fits = [
        DeepMTS(**CASCADED).fit(
            toy_cohort(8), validation=None, ctx=context(steps=1, batch_size=8, name=f"{n}", micro_batches=n)
        )
        for n in (1, 2)
    ]
    means = [{k: v for k, v in weights(fit).items() if k.endswith("running_mean")} for fit in fits]
    moved = [sum(float(v.abs().sum()) for v in of_fit.values()) for of_fit in means]
    # two parts move them by 1 - 0.9^2 instead of 0.1 of the way
    assert 1.5 < moved[1] / moved[0] < 2.3


@pytest.mark.parametrize(("batch_size", "micro_batches"), [(8, 3), (4, 4)])
def test_a_batch_that_cannot_be_parted_is_refused(batch_size, micro_batches):
    with pytest.raises(ValueError, match="micro_batches of equal size"):
        Training(steps=1, batch_size=batch_size, micro_batches=micro_batches)


def test_the_memory_layout_is_as_asked_and_changes_nothing_but_rounding(context):
    losses = {}
    for layout, expected in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last_3d)):
        reported = []
        ctx = context(
            steps=1, name=layout, memory_layout=layout, report=lambda _, values, to=reported: to.append(values["L"])
        )
        # dropout draws along the memory, so it is off here
        quiet = {**CASCADED, "head_dropout": 0.0, "csn_dropout": 0.0}
        method = DeepMTS(**quiet).fit(toy_cohort(8), validation=None, ctx=ctx)
        kernels = [m.weight for m in method._fitted.network.modules() if isinstance(m, torch.nn.Conv3d)]
        assert all(kernel.is_contiguous(memory_format=expected) for kernel in kernels)
        losses[layout] = reported[0]
    assert losses["contiguous"] == pytest.approx(losses["channels_last"], rel=1e-3)


def test_half_precision_trains_where_it_is_safe_and_is_refused_where_not(context):
    with pytest.raises(BenchError, match="needs grids of at least 64 voxels a side, but this one has 32 x 32 x 32"):
        DeepMTS(**CASCADED).fit(toy_cohort(8), validation=None, ctx=context(precision="bfloat16"))
    train, losses = toy_cohort(4, shape=(64, 64, 64)), {}
    for precision in ("float32", "bfloat16"):
        reported = []
        ctx = context(
            steps=1,
            batch_size=2,
            name=precision,
            precision=precision,
            report=lambda _, values, to=reported: to.append(values["L"]),
        )
        method = DeepMTS(**CASCADED).fit(train, validation=None, ctx=ctx)
        assert {tensor.dtype for tensor in method._fitted.network.parameters()} == {torch.float32}
        losses[precision] = reported[0]
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


def test_the_deadline_ends_a_fit(context):
    ctx = context(deadline=0.0)
    with pytest.raises(DeadlineError):
        DeepMTS(**CASCADED).fit(toy_cohort(4), validation=None, ctx=ctx)


# --- selection


@pytest.mark.parametrize(("selection", "name"), [("inner", "L_sur"), ("paper", "C")])
def test_the_best_weights_on_the_validation_patients_are_kept(context, selection, name):
    validation, values = toy_cohort(6, seed=3), {}
    ctx = context(
        steps=5,
        evaluations=5,
        scale=30.0,
        selection=selection,
        report=lambda step, v: values.update({step: v[f"validation_{name}"]}),
    )
    method = DeepMTS(**CASCADED).fit(toy_cohort(6), validation=validation, ctx=ctx)
    risk = method.predict_risk(plain(validation))
    if name == "C":
        assert concordance_index(validation.time, validation.event, risk).value == max(values.values())
    else:
        assert cox_loss(validation.time, validation.event, risk) == pytest.approx(min(values.values()), rel=1e-5)
    assert len(set(values.values())) > 1


def test_a_method_without_risk_selects_by_dice_loss(context):
    values = []
    ctx = context(steps=2, evaluations=2, selection="inner", report=lambda _s, v: values.append(v))
    method = DeepMTS(csn=False, hard_sharing=False, backbone="unet")
    method.fit(toy_cohort(4), validation=toy_cohort(3, seed=1), ctx=ctx)
    assert set(values[0]) == {"L", "L_seg", "validation_L_seg"}
    with pytest.raises(BenchError, match="does not predict risk"):
        method.predict_risk(plain(toy_cohort(1)))


def test_validation_without_events_cannot_select(context):
    validation = toy_cohort(4, events=[False] * 4)
    with pytest.raises(BenchError, match="No checkpoint could be chosen"):
        DeepMTS(**CASCADED).fit(toy_cohort(4), validation=validation, ctx=context(steps=1, selection="inner"))


# --- faults


@pytest.mark.parametrize("shape", [(32, 32, 28), (16, 32, 32)])
def test_a_grid_that_does_not_suit_is_refused(context, shape):
    with pytest.raises(BenchError, match="multiple of 16 and at least 32"):
        DeepMTS().fit(toy_cohort(4, shape=shape), validation=None, ctx=context())


def test_different_grids_are_refused(context):
    first, second = toy_cohort(4), toy_cohort(4, shape=(32, 32, 48))
    mixed = dataclasses.replace(first, subjects=(*first.subjects[:3], second.subjects[3]))
    with pytest.raises(BenchError, match="one grid for all"):
        DeepMTS().fit(mixed, validation=None, ctx=context())


def test_a_missing_mask_is_named(context):
    with pytest.raises(BenchError, match="P000 has no volume 'mask'; it has: pet, ct"):
        DeepMTS().fit(toy_cohort(4, mask=False), validation=None, ctx=context())
    DeepMTS(**CASCADED).fit(toy_cohort(4, mask=False), validation=None, ctx=context(steps=1))


def test_a_cohort_without_images_is_refused(context):
    with pytest.raises(BenchError, match="need images"):
        DeepMTS().fit(toy_cohort(4, channels=()), validation=None, ctx=context())


def test_training_patients_without_an_event_are_refused(context):
    with pytest.raises(BenchError, match="No events in this training fold of 4 patients; a survival network needs"):
        DeepMTS().fit(toy_cohort(4, events=[False] * 4), validation=None, ctx=context())


def test_voxels_that_are_not_finite_are_refused(context):
    cohort = toy_cohort(4)
    cohort.subjects[1].volumes["ct"].voxels()[3, 3, 3] = np.nan
    with pytest.raises(BenchError, match="P001 contain NaN or infinity"):
        DeepMTS().fit(cohort, validation=None, ctx=context())


def test_a_loss_that_is_not_finite_ends_the_fit(context):
    with pytest.raises(DivergedError, match=r"the loss is .* at step [2-9]; lower learning_rate_scale"):
        DeepMTS(**CASCADED).fit(toy_cohort(4), validation=None, ctx=context(steps=9, scale=1e30))


@pytest.mark.parametrize("bad", [2, 3])
def test_single_bad_gradients_are_left_out_and_three_in_a_row_end_the_fit(context, monkeypatch, caplog, bad):
    norms = iter([torch.tensor(float("nan"))] * bad + [torch.tensor(1.0)] * 9)
    monkeypatch.setattr(torch.linalg, "vector_norm", lambda _gradient: next(norms))
    method = DeepMTS(**CASCADED)
    if bad == 2:
        method.fit(toy_cohort(4), validation=None, ctx=context(steps=4))
        assert caplog.text.count("the step is skipped") == 2
    else:
        with pytest.raises(DivergedError, match="3 gradients in a row were not finite, the last at step 3"):
            method.fit(toy_cohort(4), validation=None, ctx=context(steps=4))


# --- variants


def test_one_channel_and_no_clinical_column(context):
    cohort = dataclasses.replace(toy_cohort(4, channels=("pet",)), clinical_columns=())
    method = DeepMTS().fit(cohort, validation=None, ctx=context(steps=1))
    assert np.isfinite(method.predict_risk(plain(cohort))).all()


def test_masked_input_hides_everything_outside_the_mask(context):
    cohort = toy_cohort(4)
    method = DeepMTS(**CASCADED, masked_input=True).fit(cohort, validation=None, ctx=context(steps=2))
    needs = ("images", "mask", "clinical")
    inputs = stack(cohort, np.zeros((4, 1)), mask=True)
    blanked = inputs.masked().images
    assert torch.equal(blanked[inputs.mask.expand_as(blanked)], inputs.images[inputs.mask.expand_as(blanked)])
    assert not blanked[~inputs.mask.expand_as(blanked)].any()
    empty = dataclasses.replace(
        cohort,
        subjects=tuple(
            dataclasses.replace(s, volumes=s.volumes | {"mask": toy_cohort(1).subjects[0].volumes["mask"]})
            for s in cohort.subjects
        ),
    )
    assert not np.allclose(method.predict_risk(plain(cohort, needs)), method.predict_risk(plain(empty, needs)))
    with pytest.raises(BenchError, match="no volume 'mask'"):
        method.predict_risk(plain(cohort))


def test_the_linear_dice_and_a_penalty_of_none(context):
    seen = []
    ctx = context(steps=1, report=lambda _step, values: seen.append(values))
    DeepMTS(dice="linear", l2=0).fit(toy_cohort(4), validation=None, ctx=ctx)
    squared = context(steps=1, name="squared", report=lambda _step, values: seen.append(values))
    DeepMTS().fit(toy_cohort(4), validation=None, ctx=squared)
    assert set(seen[0]) == {"L", "L_seg", "L_sur"}
    assert seen[0]["L_sur"] == seen[1]["L_sur"]
    assert seen[0]["L_seg"] != seen[1]["L_seg"]


def test_unknown_parameters_are_refused():
    with pytest.raises(TypeError, match="translate"):
        DeepMTS(translate="pm10")
