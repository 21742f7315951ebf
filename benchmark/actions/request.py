"""What the user asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from survbench.actions.arguments import PLACE, absolute, count, path, place, texts
from survbench.actions.checks import ignored_codes
from survbench.api import Selection, Tuning
from survbench.errors import BenchError, UnknownNameError
from survbench.plan.profile import Profile, load_profile
from survbench.work.process_limits import available_workers

if TYPE_CHECKING:
    from survbench.jobs.ray_cluster import RayCluster

LOCAL, RAY = "local", "ray"
Device = Literal["auto", "cpu", "cuda"]
HELP = "'bench run --help'"
NAMES_OF_METHODS = "names of methods ('bench list methods'), as one text with commas or a list of texts"
CODES = "codes of findings ('bench list checks'), as one text with commas or a list of texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for; see ``bench run --help``."""

    profile: Profile
    methods: str = "all"
    cohort: str = "phantom"
    data: Path | None = None
    external: str | None = None
    splits: Path | None = None
    selection: Selection = "last"
    tuning: Tuning = "none"
    seeds: int = 1
    workers: int = 2
    out: Path = Path("bench-results")
    device: str = "cpu"
    cluster: RayCluster | None = None
    """Where jobs run in the place of this machine, on which patients are prepared in any case."""
    fresh: bool = False
    skip_bad: bool = False
    pseudonyms: Path | None = None
    ignored: tuple[str, ...] = ()
    """Codes of findings in spite of which to go on."""

    @property
    def at_once(self) -> int:
        """How many jobs run at once."""
        return max(1, self.cluster.processors()) if self.cluster else self.workers


def request_of(
    *,
    methods: str | Sequence[str],
    cohort: str | Path,
    data: str | Path | None,
    external: str | Path | None,
    profile: str | Path,
    ignore: str | Sequence[str] | None,
    splits: str | Path | None,
    selection: Selection,
    tune: Tuning,
    seeds: int,
    workers: int | None,
    out: str | Path,
    device: Device,
    executor: str,
    fresh: bool,
    skip_bad: bool,
    pseudonyms: str | Path | None,
) -> Request:
    """Return a request from the options of ``bench run``, as users write them: ``methods`` and ``ignore`` are one text
    with commas or several texts, without ``workers`` there is one per core, and ``auto`` is the GPU if torch sees one.

    Raises:
        BenchError: an option has a value that it cannot have.
    """
    for option, given, allowed in (
        ("selection", selection, get_args(Selection)),
        ("tune", tune, get_args(Tuning)),
        ("device", device, get_args(Device)),
    ):
        if given not in allowed:
            raise UnknownNameError(f"value of {option}", str(given), allowed, see=HELP)
    folder = absolute("out", out)
    cluster = _cluster(executor, folder)
    return Request(
        methods=",".join(texts("methods", methods, NAMES_OF_METHODS)),
        cohort=place("cohort", cohort, PLACE),
        data=None if data is None else path("data", data),
        external=None if external is None else place("external", external, PLACE),
        profile=load_profile(place("profile", profile, PLACE)),
        splits=None if splits is None else path("splits", splits),
        selection=selection,
        tuning=tune,
        seeds=count("seeds", seeds),
        workers=available_workers() if workers is None else count("workers", workers),
        out=folder,
        device=available_device(device) if cluster is None else cluster.device(device),
        cluster=cluster,
        fresh=fresh,
        skip_bad=skip_bad,
        pseudonyms=None if pseudonyms is None else path("pseudonyms", pseudonyms),
        ignored=ignored_codes(None if ignore is None else texts("ignore", ignore, CODES)),
    )


def _cluster(executor: str, out: Path) -> RayCluster | None:
    """Return the cluster that is meant, or None for this machine.

    Raises:
        BenchError: the executor is not known, Ray is not installed, or the cluster does not answer or has no processor.
    """
    if executor == LOCAL:
        return None
    if executor != RAY and not executor.startswith(f"{RAY}://"):
        raise UnknownNameError("value of executor", executor, (LOCAL, RAY, f"{RAY}://HOST:PORT"), see=HELP)
    from survbench.jobs.ray_cluster import RayCluster

    cluster = RayCluster(executor, out)
    if not cluster.processors():
        raise BenchError(
            "The Ray cluster has no node with processors yet. Join one with 'ray start --address=HOST:PORT', then run "
            "the same command again."
        )
    return cluster


def available_device(wanted: Device) -> str:
    """Return ``cpu`` or ``cuda``; torch is asked only where the driver's device file exists."""
    present = Path("/dev/nvidiactl").exists()
    if wanted == "cpu" or (wanted == "auto" and not present):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise BenchError("device cuda: torch sees no GPU here. See 'bench doctor', or use cpu.")
    return "cpu"
