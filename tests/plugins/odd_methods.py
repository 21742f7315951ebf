"""Methods that behave badly, each in one way, and one that behaves well: an outside plugin for the tests."""

from __future__ import annotations

import ctypes
import gc
import json
import locale
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import traceback
import types
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from survbench.api import MethodInfo, Published
from survbench.io.hashing import digest
from survbench.space import Real


class Well:
    """Ranks patients by the mean of their first image; remembers nothing."""

    def fit(self, train, *, validation, ctx):
        return self

    def predict_risk(self, cohort):
        return np.array([float(np.mean(s.volumes[cohort.channels[0]].voxels())) for s in cohort.subjects])

    def save(self, folder):
        (folder / "state.json").write_text("{}")

    def load(self, folder, *, device):
        json.loads((folder / "state.json").read_text())
        return self


class Thresholds(Well):
    """Segments what is hotter than SUV 4."""

    def segment(self, cohort):
        return ((s.volumes["pet"].voxels() > 4.0).astype(np.float32) for s in cohort.subjects)


class Tunable(Well):
    """Ranks patients by a weighted mean; dies in the fit in which ``ODD_FITS`` (a file that grows) reaches
    ``ODD_LETHAL_FIT`` bytes, and with a weight above ``ODD_LETHAL_WEIGHT``.
    """

    def __init__(self, *, weight=-1.0):
        self.weight = weight

    def fit(self, train, *, validation, ctx):
        if "ODD_FITS" in os.environ:
            with Path(os.environ["ODD_FITS"]).open("a") as stream:
                stream.write("x")
            if Path(os.environ["ODD_FITS"]).stat().st_size == int(os.environ.get("ODD_LETHAL_FIT", "0")):
                os.kill(os.getpid(), signal.SIGKILL)
        sys.stdout.write(f"a fit with weight {self.weight}\n")
        if self.weight > float(os.environ.get("ODD_LETHAL_WEIGHT", "inf")):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.weight > 1.5:
            raise ValueError("a weight that does not work")
        return self

    def predict_risk(self, cohort):
        return self.weight * super().predict_risk(cohort)


class Remembers(Well):
    """Knows the times of its training patients by heart, and draws lots for the others."""

    def fit(self, train, *, validation, ctx):
        self._times = dict(zip(train.ids, train.time.tolist(), strict=True))
        return self

    def predict_risk(self, cohort):
        return np.array([-self._times.get(i, int(digest(i)[:4], 16) / 1000) for i in cohort.ids])

    def save(self, folder):
        (folder / "state.json").write_text(json.dumps(self._times))

    def load(self, folder, *, device):
        self._times = json.loads((folder / "state.json").read_text())
        return self


class Draws(Well):
    """Predicts something else each time that it is asked."""

    def fit(self, train, *, validation, ctx):
        self._rng = np.random.default_rng(0)
        return self

    def predict_risk(self, cohort):
        return self._rng.normal(size=len(cohort))


class AnswersOnce(Well):
    """Predicts once, and never again."""

    def fit(self, train, *, validation, ctx):
        self._asked = False
        return self

    def predict_risk(self, cohort):
        if self._asked:
            raise RuntimeError("this method predicts once")
        self._asked = True
        return super().predict_risk(cohort)


class Raises(Well):
    def fit(self, train, *, validation, ctx):
        raise RuntimeError("this method always fails")


class Hangs(Well):
    def fit(self, train, *, validation, ctx):
        time.sleep(10_000)
        return self


class Watched(Well):
    """Hangs, but looks at its deadline."""

    def fit(self, train, *, validation, ctx):
        while True:
            ctx.check_deadline()
            time.sleep(0.05)


class Dies(Well):
    def fit(self, train, *, validation, ctx):
        os.kill(os.getpid(), signal.SIGKILL)
        return self


class EatsMemory(Well):
    def fit(self, train, *, validation, ctx):
        np.ones(2**50)
        return self


class Exits(Well):
    def fit(self, train, *, validation, ctx):
        sys.exit(0)


class NotFinite(Well):
    def predict_risk(self, cohort):
        return np.full(len(cohort), np.nan)


class BadWeight(Well):
    def selected(self):
        return {"volume": float("nan")}


class WrongShape(Well):
    def predict_risk(self, cohort):
        return np.zeros((len(cohort), 2))


class Chatty(Well):
    """Prints 10 MB and changes what a process shares."""

    def fit(self, train, *, validation, ctx):
        np.random.seed(0)  # noqa: NPY002  # what it must not do
        os.environ["SURVBENCH_TEST_FLAG"] = "changed"
        for _ in range(10):
            sys.stdout.write("x" * 1_000_000)
        return self


class Grows(Well):
    """Takes memory without end, in a child of its own, too."""

    def fit(self, train, *, validation, ctx):
        os.fork()
        held = []
        while True:
            held.append(np.ones(10_000_000))
            time.sleep(0.05)


class Leaves(Well):
    """Ends its process as if all were well, in C, where Python is not asked."""

    def fit(self, train, *, validation, ctx):
        ctypes.CDLL(None)._exit(0)


class SetsFlags(Well):
    """Sets what a process has only one of."""

    def fit(self, train, *, validation, ctx):
        import torch

        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(3)
        torch.use_deterministic_algorithms(mode=True)
        np.seterr(all="raise")
        np.random.seed(1)  # noqa: NPY002  # what it must not do
        warnings.simplefilter("error")
        locale.setlocale(locale.LC_ALL, "C")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.environ.update(OMP_NUM_THREADS="7", PYTHONHASHSEED="1", TZ="Asia/Tokyo")
        time.tzset()
        Path("left-in-the-current-folder").write_text("x")
        return self


class Forks(Well):
    """Forks while it fits and while it predicts, and both go on."""

    def fit(self, train, *, validation, ctx):
        if os.fork() == 0 and train.ids[0] < "P":
            raise RuntimeError("the child fails")
        return self

    def predict_risk(self, cohort):
        os.fork()
        return super().predict_risk(cohort)


class HasChildren(Well):
    """Leaves processes behind: a child, one in a session of its own, an orphan, and one of multiprocessing."""

    def fit(self, train, *, validation, ctx):
        pids = [subprocess.Popen(["sleep", "3333"], start_new_session=new).pid for new in (False, True)]
        read, write = os.pipe()
        if os.fork() == 0:
            os.setsid()
            orphan = os.fork()
            if orphan:
                os.write(write, str(orphan).encode())
                os._exit(0)
            time.sleep(3333)
        pids.append(int(os.read(read, 20)))
        for method in ("fork", "forkserver"):
            child = multiprocessing.get_context(method).Process(target=time.sleep, args=(3333,))
            child.start()
            pids.append(child.pid)
        with (ctx.scratch.parent.parent / "pids").open("a") as stream:  # of the output folder
            stream.write("".join(f"{pid}\n" for pid in pids))
        return self


class AbandonsChildren(HasChildren):
    """Has children, and hangs."""

    def fit(self, train, *, validation, ctx):
        super().fit(train, validation=validation, ctx=ctx)
        time.sleep(10_000)


class Sniffs(Well):
    """Searches everything that it is given, and everything that can be reached from there, while it predicts.

    It ends with an error that names what it found of outcomes, masks or the true hazard.
    """

    def __init__(self):
        self._training = set()
        self._ctx = self._validation = None

    def fit(self, train, *, validation, ctx):
        self._training = {id(train), id(train.time), id(train.event)}
        self._ctx = ctx
        self._validation = validation
        return self

    def predict_risk(self, cohort):
        found = []
        seen: set[int] = set(self._training)
        stack = [cohort, self._ctx, self._validation]
        while stack:
            thing = stack.pop()
            if id(thing) in seen or isinstance(thing, types.ModuleType | type):
                continue
            seen.add(id(thing))
            found += _secrets(thing, len(cohort))
            stack += _inside(thing)
        found += [f"a cohort with outcomes of {len(c)} in memory" for c in _labelled() if set(c.ids) & set(cohort.ids)]
        if found:
            raise AssertionError(f"found {sorted(set(found))}")
        return super().predict_risk(cohort)


class LooksForTimes(Well):
    """Searches the memory of its process, while it fits and while it predicts, for the times of patients whom it was
    not trained on. It ends with an error that names those whose time it has found.

    A test has put the times of all patients into ``sought.json`` in the output folder, with their sign turned, so that
    what is read there is not what is looked for.
    """

    def fit(self, train, *, validation, ctx):
        self._seek(ctx.scratch.parents[1], set(train.ids))
        return self

    def load(self, folder, *, device):
        self._seek(folder.parents[2], set())
        return super().load(folder, device=device)

    def predict_risk(self, cohort):
        self._look()
        return super().predict_risk(cohort)

    def _seek(self, out, trained_on):
        sought = json.loads((out / "sought.json").read_text())
        self._sought = {turned: i for i, turned in sought.items() if i not in trained_on}
        self._look()

    def _look(self):
        found = _found_in_memory(self._sought)
        if found:
            raise AssertionError(f"found the times of {sorted(found)}")


class Embeds(Well):
    """Makes one feature of each patient."""

    def embed(self, cohort):
        return self.predict_risk(cohort)[:, None]


class TakesFeatures(Well):
    """Ranks patients by their first feature."""

    def predict_risk(self, cohort):
        return cohort.features.values[:, 0]


def _found_in_memory(sought):
    """Return the patients in ``sought`` (turned time -> id) whose times lie in a frame, a container or an array."""
    found, seen = set(), set()
    stack = [gc.get_objects(), *_locals()]
    seen.update(map(id, stack))
    while stack:
        for thing in gc.get_referents(stack.pop()):
            kind = type(thing)
            if kind is float:
                found |= {sought[-thing]} if -thing in sought else set()
            elif id(thing) not in seen and kind not in (str, int, bytes, bool, types.CodeType):
                seen.add(id(thing))
                if kind is np.ndarray and thing.dtype == np.float64:
                    found |= {sought[t] for t in (-thing).ravel().tolist() if t in sought}
                stack.append(thing)
    return found


def _locals():
    return [frame.f_locals for top in sys._current_frames().values() for frame, _ in traceback.walk_stack(top)]


def _secrets(thing, n):
    names = ("time", "event", "outcome", "outcomes", "mask", "truth", "hazard")
    found = [
        f"attribute {name}"
        for name in names
        if getattr(thing, name, None) is not None and not callable(getattr(thing, name))
    ]
    if isinstance(thing, Mapping):
        found += [f"key {key}" for key in thing if str(key) in names]
    if isinstance(thing, np.ndarray) and thing.dtype == bool and thing.size > n:
        found.append("a boolean image")
    if isinstance(thing, str | Path) and any(word in str(thing) for word in ("mask", "outcome", "truth")):
        found.append(f"path {thing}")
    return found


def _inside(thing):
    if isinstance(thing, str | bytes | int | float | np.ndarray | None):
        return []
    inside = list(thing.values()) if isinstance(thing, Mapping) else []
    if isinstance(thing, list | tuple | set | frozenset):
        inside += list(thing)
    inside += [getattr(thing, name, None) for name in getattr(thing, "__slots__", ()) if isinstance(name, str)]
    inside += list(getattr(thing, "__dict__", {}).values())
    inside += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    if hasattr(thing, "func") and hasattr(thing, "args"):
        inside += [thing.func, *thing.args, *(thing.keywords or {}).values()]
    return inside


def _labelled():
    from survbench.cohort import Cohort

    # by type: isinstance asks objects for their class, which some of torch answer with a warning
    return [o for o in gc.get_objects() if issubclass(type(o), Cohort)]


IMAGES, UPSTREAM = frozenset({"images"}), frozenset({"upstream"})


def _info(name, target, *, needs=IMAGES, **more):
    return MethodInfo(
        name=name,
        title=name.replace("-", " "),
        family="outside",
        target=f"odd_methods:{target}",
        needs_fit=needs,
        needs_predict=needs,
        **more,
    )


METHODS = (
    _info("well", "Well"),
    _info("thresholds", "Thresholds", gives=frozenset({"segmentation"})),
    _info("ranks-and-segments", "Thresholds", gives=frozenset({"risk", "segmentation"})),
    _info("tunable", "Tunable", space={"weight": Real(-1.0, 2.0)}),
    _info("remembers", "Remembers", selects=True),
    _info("draws", "Draws"),
    _info("draws-and-is-checked", "Draws", selects=True),
    _info("thresholds-checked", "Thresholds", gives=frozenset({"segmentation"}), selects=True),
    _info("answers-once", "AnswersOnce", selects=True),
    _info("raises", "Raises"),
    _info("hangs", "Hangs"),
    _info("watched", "Watched"),
    _info("dies", "Dies"),
    _info("eats-memory", "EatsMemory"),
    _info("exits", "Exits"),
    _info("not-finite", "NotFinite"),
    _info("wrong-shape", "WrongShape"),
    _info("bad-weight", "BadWeight"),
    _info("chatty", "Chatty"),
    _info("grows", "Grows"),
    _info("leaves", "Leaves"),
    _info("sets-flags", "SetsFlags"),
    _info("forks", "Forks"),
    _info("has-children", "HasChildren"),
    _info("abandons-children", "AbandonsChildren"),
    _info("sniffs", "Sniffs"),
    _info("looks-for-times", "LooksForTimes", selects=True),
    _info("embeds", "Embeds", gives=frozenset({"risk", "embedding"})),
    _info("takes-embedded", "TakesFeatures", upstream="embeds", needs=UPSTREAM, selects=True),
    _info("pair-of-mine", "Well", group="successors", pair=True),
    _info("pair-in-print", "Well", group="successors", pair=True, published=Published(source="a paper", c_index=0.7)),
)
TAKEN = METHODS[0]
