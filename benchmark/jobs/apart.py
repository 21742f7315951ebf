"""Calls a function with each of many foreign files, in processes that may be lost.

A file that makes its reader hang, eat memory or crash costs itself alone: the process is ended, and another goes on
with the next file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Generic, TypeVar, cast

from survbench.io.limits import OUT_OF_TIME, killed_after, limited_memory
from survbench.jobs.process import die_with, process_context

Item = TypeVar("Item")
Result = TypeVar("Result")


class Lost(StrEnum):
    """Why there is no result."""

    TIME = "time"
    MEMORY = "memory"
    FAILED = "failed"


@dataclass(slots=True)
class _Reader(Generic[Item]):
    """A process, and the places of the items that it still has to do."""

    process: ForkServerProcess
    connection: Connection
    places: range
    ready: bool = False

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def each_apart(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, seconds: float, memory: int
) -> list[Result | Lost]:
    """Return what a function gives for each item, or why it gives nothing.

    Args:
        function: a module-level function; its result is pickled.
        items: what it is called with.
        workers: processes at once.
        seconds: for one item, after which its process is killed.
        memory: bytes that a process may ask for, beyond those that it starts with.

    Raises:
        OSError: the function raised it: it is the machine's, such as a disk that is gone.
        RuntimeError: processes cannot be started.
    """
    results: list[Result | Lost] = [Lost.FAILED] * len(items)
    context = process_context() if items else None
    running: dict[Connection, _Reader[Item]] = {}

    def start(places: range) -> None:
        if places and context is not None:
            reader = _started(context, function, [items[n] for n in places], places, seconds, memory)
            running[reader.connection] = reader

    try:
        for first in range(min(workers, len(items))):
            start(_share(len(items), first, min(workers, len(items))))
        while running:
            for connection in cast("list[Connection]", wait(list(running))):
                reader = running[connection]
                try:
                    sent = connection.recv()
                except EOFError:
                    del running[connection]
                    left = _buried(reader, results)
                    start(left)
                    continue
                if isinstance(sent, OSError):
                    raise sent
                if reader.ready:
                    results[reader.places[0]] = sent
                    reader.places = reader.places[1:]
                reader.ready = True
    finally:
        for reader in running.values():
            reader.stop()
    return results


def _share(items: int, part: int, parts: int) -> range:
    return range(items * part // parts, items * (part + 1) // parts)


def _started(
    context: ForkServerContext,
    function: Callable[[Item], Any],
    items: Sequence[Item],
    places: range,
    seconds: float,
    memory: int,
) -> _Reader[Item]:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, os.getpid(), function, items, seconds, memory), daemon=True)
    process.start()
    sender.close()  # so that the end of the process ends the connection
    return _Reader(process, receiver, places)


def _buried(reader: _Reader[Any], results: list[Any]) -> range:
    """Note the item that a process ended at, if it did not end well, and return the places behind it."""
    reader.process.join()
    reader.connection.close()
    if not reader.ready:
        raise RuntimeError(f"A process for reading files ended at its start (exit code {reader.process.exitcode}).")
    if reader.places:
        results[reader.places[0]] = Lost.TIME if reader.process.exitcode == OUT_OF_TIME else Lost.FAILED
    return reader.places[1:]


def _serve(
    connection: Connection,
    owner: int,
    function: Callable[[Item], Any],
    items: Sequence[Item],
    seconds: float,
    memory: int,
) -> None:
    die_with(owner)
    connection.send(None)
    for item in items:
        with killed_after(seconds):
            outcome = _outcome(function, item, memory)
        connection.send(outcome)


def _outcome(function: Callable[[Item], Any], item: Item, memory: int) -> Any:
    try:
        with limited_memory(memory):
            return function(item)
    except MemoryError:
        return Lost.MEMORY
    except OSError as problem:
        return problem
    except Exception:  # whatever else a foreign file makes of it; the text may hold what stands in the file
        return Lost.FAILED
