"""How long a run will take: from what stages and methods declare, and from what jobs took."""

from dataclasses import replace

import pytest
from jobs import a_fit, a_prediction, a_search
from survbench.api import MethodInfo, Resources
from survbench.plan.estimate import (
    PREPARED_MB,
    PREPARING_S,
    PROCESS_MB,
    PROCESS_S,
    TABLES_MB,
    Forecast,
    declared_mb,
    declared_s,
)
from survbench.plan.profile import load_profile

QUICK, GRID = load_profile("quick"), (32, 32, 32)
NETWORK = MethodInfo(
    name="net", title="", family="end-to-end", target="m:C", resources=Resources(quick_seconds=60.0), reference="r"
)
OTHER = replace(NETWORK, name="other", family="multi-task")
LEARNER = replace(NETWORK, name="learner", family="radiomics", trains=False, resources=Resources(quick_seconds=2.0))
INFOS = {info.name: info for info in (NETWORK, OTHER, LEARNER)}


def fit(method, number=0, **more):
    return a_fit(f"{method}-{number}", method=method, **more)


def forecast(*jobs, workers=1):
    made = Forecast(workers)
    made.expect(jobs, INFOS, QUICK, GRID)
    return made


def test_a_networks_fit_grows_with_steps_batch_and_voxels_a_learners_does_not():
    longer = QUICK.model_copy(
        update={"training": QUICK.training.model_copy(update={"steps": 2 * QUICK.training.steps})}
    )
    assert declared_s(fit("net"), NETWORK, QUICK, GRID) == pytest.approx(60 + PROCESS_S)
    assert declared_s(fit("net"), NETWORK, longer, GRID) == pytest.approx(120 + PROCESS_S)
    assert declared_s(fit("net"), NETWORK, QUICK, (64, 64, 64)) == pytest.approx(480 + PROCESS_S)
    assert declared_s(fit("learner"), LEARNER, longer, (64, 64, 64)) == pytest.approx(2 + PROCESS_S)


def test_predicting_takes_a_part_of_a_fit_whatever_the_steps_and_grows_with_patients():
    longer = QUICK.model_copy(
        update={"training": QUICK.training.model_copy(update={"steps": 2 * QUICK.training.steps})}
    )
    few, many = (a_prediction("p", method="net", test=("p",) * n) for n in (20, 40))
    seconds = declared_s(many, NETWORK, QUICK, GRID) - PROCESS_S
    assert 1 < seconds < 15
    assert declared_s(many, NETWORK, longer, GRID) - PROCESS_S == pytest.approx(seconds)
    assert declared_s(few, NETWORK, QUICK, GRID) - PROCESS_S == pytest.approx(seconds / 2)


def test_a_search_takes_all_its_fits():
    job = a_search("t", method="learner", trials=20, splits=(1, 2, 3))
    assert declared_s(job, LEARNER, QUICK, GRID) == pytest.approx(120 + PROCESS_S)


def test_many_cheap_jobs_that_end_fast_do_not_shorten_the_networks_that_are_still_to_come():
    made = forecast(*(fit("learner", n) for n in range(20)), fit("net"), fit("net", 1))
    for n in range(20):
        made.started(f"learner-{n}", at=0.1 * n)
        made.ended(f"learner-{n}", at=0.1 * (n + 1), ok=True)  # 20 times as fast as declared
    assert made.remaining_s(at=2.0) == pytest.approx(120, rel=0.01)


def test_a_family_is_corrected_by_what_it_took_itself():
    made = forecast(fit("net"), fit("net", 1), fit("other"), fit("other", 1))
    for name, end in (("net-0", 120.0), ("other-0", 150.0)):
        made.started(name, at=0.0 if name == "net-0" else 120.0)
        made.ended(name, at=end, ok=True)
    assert made.remaining_s(at=150.0) == pytest.approx(120 + 30, rel=0.01)


def test_what_no_job_of_the_family_has_measured_is_corrected_by_all_others():
    made = forecast(fit("net"), fit("other"))
    made.started("net-0", at=0.0)
    made.ended("net-0", at=120.0, ok=True)
    assert made.remaining_s(at=120.0) == pytest.approx(120, rel=0.01)


def test_preparing_counts_and_says_how_fast_the_machine_is():
    made = forecast(fit("net"), fit("net", 1), workers=2)
    made.preparing(160, GRID)
    assert made.remaining_s(0.0) == pytest.approx((160 * PREPARING_S + 2 * (60 + PROCESS_S)) / 2)
    made.prepared(160, took=160 * PREPARING_S / 2 * 1.5)  # half as fast again as declared
    assert made.remaining_s(0.0) == pytest.approx(90, rel=0.01)


def test_one_worker_does_one_job():
    assert forecast(fit("net"), workers=4).remaining_s(0.0) == pytest.approx(60 + PROCESS_S)


def test_a_running_job_counts_with_its_rest_and_a_late_one_with_some():
    made = forecast(fit("net"))
    made.started("net-0", at=0.0)
    assert made.remaining_s(at=20.0) == pytest.approx(40, abs=0.2)
    assert made.remaining_s(at=100.0) == pytest.approx(10)


def test_jobs_that_fail_at_once_say_nothing_of_those_that_are_to_come():
    made = forecast(*(fit("net", n) for n in range(4)))
    for n in range(3):
        made.started(f"net-{n}", at=float(n))
        made.ended(f"net-{n}", at=n + 0.1, ok=False)
    assert made.remaining_s(at=3.0) == pytest.approx(60 + PROCESS_S)


def test_a_job_with_two_threads_takes_two_workers_and_the_gpu_one_job_at_a_time():
    wide = forecast(fit("net", threads=2), fit("net", 1, threads=2), workers=2)
    assert wide.remaining_s(0.0) == pytest.approx(2 * (60 + PROCESS_S))
    on_gpu = forecast(*(fit("net", n, device="cuda") for n in range(3)), workers=4)
    assert on_gpu.remaining_s(0.0) == pytest.approx(3 * (60 + PROCESS_S))


def test_costs_are_those_of_what_is_to_do_by_method_and_add_up_to_the_whole():
    made = forecast(fit("learner"), fit("net"), fit("net", 1), fit("other"), workers=2)
    made.preparing(8, GRID)
    costs = made.costs(0.0)
    assert [(c.method, c.jobs) for c in costs] == [("net", 2), ("other", 1), ("learner", 1), ("", 8)]
    assert [c.seconds for c in costs] == pytest.approx([120.2, 60.1, 2.1, 8 * PREPARING_S])
    assert [c.share for c in costs] == pytest.approx([c.seconds / 184.4 for c in costs])
    assert made.remaining_s(0.0) == pytest.approx(sum(c.seconds for c in costs) / 2)
    assert forecast().costs(0.0) == ()


def test_a_fit_whose_features_others_take_counts_once_and_names_them():
    above = {"key": "net-0", "needs_predict": []}
    users = [fit(name, upstream=above) for name in ("learner", "other")]
    predicts = a_prediction("other-1", method="other", fit="other-0", test=("p",) * 40)
    costs = {c.method: c for c in forecast(fit("net"), *users, predicts).costs(0.0)}
    assert (costs["net"].jobs, costs["net"].seconds) == (1, pytest.approx(60 + PROCESS_S))
    assert costs["net"].used_by == ("learner", "other")
    assert (costs["other"].jobs, costs["other"].used_by) == (2, ())
    done = forecast(*users).costs(0.0)
    assert {c.method for c in done} == {"learner", "other"}, "fits that are done cost nothing"


def test_disk_is_that_of_models_and_predictions_and_not_measured_where_one_of_them_was_not():
    infos = INFOS | {"net": replace(NETWORK, resources=Resources(model_mb=10.0))}
    made = Forecast(1)
    made.expect([fit("net"), fit("net", 1), a_prediction("p", method="net"), fit("other")], infos, QUICK, GRID)
    made.preparing(2, (64, 64, 64))
    disk = {cost.method: cost.disk_mb for cost in made.costs(0.0)}
    assert disk["net"] == pytest.approx(20 + 3 * TABLES_MB)
    assert disk["other"] is None
    assert disk[""] == pytest.approx(2 * (9 * 64**3 / 1e6 + PREPARED_MB))  # two channels of 4 bytes, a mask of 1


def test_a_job_of_two_threads_costs_twice_its_time():
    (cost,) = forecast(fit("net", threads=2), workers=2).costs(0.0)
    assert cost.seconds == pytest.approx(2 * (60 + PROCESS_S))


def test_a_trained_method_without_images_is_not_done_at_once():
    assert declared_s(fit("net"), NETWORK, QUICK, None) == pytest.approx(60 + PROCESS_S)


def test_nothing_to_do_takes_no_time():
    assert forecast().remaining_s(0.0) == 0.0


def test_memory_of_a_network_grows_with_voxels_and_batch_and_lies_on_the_gpu_where_it_trains_there():
    network = replace(NETWORK, resources=Resources(quick_mb=PROCESS_MB + 100))
    twice = QUICK.model_copy(
        update={"training": QUICK.training.model_copy(update={"batch_size": 2 * QUICK.training.batch_size})}
    )
    assert declared_mb(fit("net"), network, QUICK, GRID) == pytest.approx(PROCESS_MB + 100)
    assert declared_mb(fit("net"), network, QUICK, (64, 64, 64)) == pytest.approx(PROCESS_MB + 800)
    assert declared_mb(fit("net"), network, twice, GRID) == pytest.approx(PROCESS_MB + 200)
    assert declared_mb(fit("net", device="cuda"), network, QUICK, GRID) == pytest.approx(PROCESS_MB)


def test_a_fit_on_images_holds_its_patients():
    network = replace(NETWORK, needs_fit=frozenset({"images"}), resources=Resources(quick_mb=PROCESS_MB))
    job = fit("net", train=tuple(f"P{n}" for n in range(136)))
    assert declared_mb(job, network, QUICK, (128, 128, 112)) - PROCESS_MB == pytest.approx(2246, abs=1)


def test_as_many_jobs_count_for_memory_as_run_at_once():
    infos = {"net": replace(NETWORK, resources=Resources(quick_mb=900)), "learner": LEARNER}
    for workers, expected in ((1, 900), (2, 1800), (3, 1800 + 520)):
        made = Forecast(workers)
        made.expect([fit("learner"), fit("net"), fit("net", 1)], infos, QUICK, GRID)
        assert made.most_mb() == pytest.approx(expected)
