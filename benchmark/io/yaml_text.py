"""YAML of users, read with bounds: plain data of a size that a person writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from survbench.errors import BenchError, plain_text

MOST_BYTES = 2**18
MOST_VALUES = 10_000
MOST_DEPTH = 50
LONGEST_VALUE = 20_000
_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of the text after them."""
_SHOWN = 200
"""Characters of a value that a message shows."""


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        BenchError: it is not UTF-8, or longer than a person writes.
    """
    if path.stat().st_size > MOST_BYTES:
        raise BenchError(f"{path} has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are read. Shorten it.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BenchError(f"{path} is not UTF-8 text ({error.reason}). Save it in UTF-8.") from error


def parse_yaml(text: str, *, source: str, see: str) -> dict[str, Any]:
    """Return the mapping that YAML text holds.

    Args:
        text: the YAML.
        source: what to call it in messages.
        see: where the keys are explained.

    Raises:
        BenchError: the text is not valid YAML or no mapping, has aliases (``*name``), a key twice in one mapping,
            control characters, or more, deeper or longer values than a person writes.
    """
    try:
        _refuse_bombs(text, source)
        loader = _Loader(text)
        raw: Any = loader.get_single_data()
    except yaml.YAMLError as error:
        raise BenchError(f"{source} is not valid YAML{_place(error, text)}. See {see}.") from error
    except ValueError as error:  # of numbers and dates that are none, such as 2020-13-01
        raise BenchError(f"{source} is not valid YAML: {error}. See {see}.") from error
    if not isinstance(raw, dict):
        raise BenchError(f"{source} holds {type(raw).__name__}, not a mapping of keys to values. See {see}.")
    return raw


class _Loader(yaml.SafeLoader):
    """Plain data as ``yaml.safe_load`` reads it, but a key that is given twice is an error: the last would win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"the key {shortened(key.value)} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refuse_bombs(text: str, source: str) -> None:
    """Read the text once without building anything, since a kilobyte of aliases stands for gigabytes."""
    values = depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise BenchError(f"{source} has an alias in line {line} (*{event.anchor}). Write the value out.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.NodeEvent):
            values += 1
        value = event.value if isinstance(event, yaml.ScalarEvent) else ""
        if plain_text(value) != value or _TURNED.search(value):
            raise BenchError(
                f"{source} has a control character in line {line} ({shortened(value)}). It would act on terminals and "
                "pages that print it; remove it."
            )
        if depth > MOST_DEPTH or values > MOST_VALUES or len(value) > LONGEST_VALUE:
            bounds = f"{MOST_VALUES:,} values, {MOST_DEPTH} inside each other, of {LONGEST_VALUE:,} characters"
            raise BenchError(f"{source} goes beyond what is read in line {line}: at most {bounds}. Shorten it.")


def _place(error: yaml.YAMLError, text: str) -> str:
    """Return the line of an error with what stands there, and what is wrong with it."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": {error}"
    lines = text.splitlines()
    number = min(error.problem_mark.line, len(lines) - 1)
    return f" in line {number + 1} ({shortened(lines[number].strip())}): {error.problem}"


def shortened(value: Any) -> str:
    """Return a value as a message shows it, cut where it is long."""
    try:
        shown = repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of too many digits"
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
