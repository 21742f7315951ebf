"""Settings from YAML: strict models, and errors that say which key is wrong and what was meant."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from survbench.errors import BenchError
from survbench.io.yaml_text import shortened

Model = TypeVar("Model", bound=BaseModel)
_SHOWN = 50
"""Problems that a message lists."""
LONGEST_NAME = 60
"""Characters of a name that stands in names of folders."""
OneLine = Annotated[str, AfterValidator(lambda text: " ".join(text.split()))]
"""Text that is printed in lines and cells of tables: each line break in it becomes a space."""


class Strict(BaseModel):
    """A frozen model that refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Stored(BaseModel):
    """A frozen model of what a file holds; keys that a later version has added are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def parse_model(model: type[Model], raw: dict[str, Any], *, source: str, see: str) -> Model:
    """Validate ``raw`` against a pydantic model and turn its complaints into one message with suggestions.

    Raises:
        BenchError: the problems, one a line.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # a misspelt key first: it explains the missing one
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        lines = [_explain(model, dict(problem)) for problem in problems[:_SHOWN]]
        lines += [f"and {len(problems) - _SHOWN} more problems"] if len(problems) > _SHOWN else []
        raise BenchError(
            "\n".join([f"{source} does not fit:", *(f"  {line}" for line in lines), f"See {see}."])
        ) from error


def _explain(model: type[BaseModel], problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{where}: is missing"
    if problem["type"] != "extra_forbidden":
        # a rule over several keys has no key of its own, and its input is the whole file
        said = str(problem["msg"]).removeprefix("Value error, ")
        return f"{where}: {said}, given {shortened(problem.get('input'))}" if where else said
    fields = _fields_at(model, problem["loc"][:-1])
    near = difflib.get_close_matches(str(problem["loc"][-1]), fields, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(sorted(fields))}."
    return f"{where}: unknown key. {hint}"


def _fields_at(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    current: type[BaseModel] = model
    for part in path:
        field = current.model_fields.get(str(part))
        inner = (
            [a for a in _nested(field.annotation) if isinstance(a, type) and issubclass(a, BaseModel)] if field else []
        )
        current = inner[0] if inner else current
    return list(current.model_fields)


def _nested(annotation: Any) -> list[Any]:
    return [annotation, *(leaf for part in get_args(annotation) for leaf in _nested(part))]
