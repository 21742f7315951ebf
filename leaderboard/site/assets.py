"""The site's templates and static files; everything inserted into a template is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@cache
def template(name: str) -> Any:
    """Return one of survbench's templates; everything inserted into it is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE / "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


def static(*names: str) -> str:
    """Return style sheets or scripts of survbench, concatenated."""
    return "\n".join((HERE / "static" / name).read_text(encoding="utf-8") for name in names)
