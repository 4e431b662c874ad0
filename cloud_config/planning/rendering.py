"""Generated files from templates that cannot paste.

The environment is jinja2's sandbox, an unknown name is an error, and every
expression must have gone through one of the filters of :mod:`escaping`: its
finalizer refuses any other text. The templates lie in ``cloud_config/templates``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_config.planning import escaping
from cloud_config.planning.escaping import Escaped

if TYPE_CHECKING:  # slow to import, and most documents have nothing generated
    from jinja2.sandbox import SandboxedEnvironment

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
_FILTERS = (
    escaping.env_value,
    escaping.line,
    escaping.quoted_env_value,
    escaping.toml_value,
    escaping.unit_string,
    escaping.unit_value,
    escaping.variable,
)


def render(template: str, **values: object) -> bytes:
    """The bytes of a generated file.

    Args:
        template: file name below ``cloud_config/templates``, without ``.j2``.
        values: what the template names.

    Raises:
        InvalidInput: a value cannot be written in this kind of file.
    """
    return environment().get_template(f"{template}.j2").render(values).encode()


@cache
def environment() -> SandboxedEnvironment:
    """The one environment; made when it is first needed."""
    from jinja2 import FileSystemLoader, StrictUndefined  # noqa: PLC0415 - see above
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415 - see above

    made = SandboxedEnvironment(
        # Nothing here is HTML; what takes the place of autoescape is the finalizer.
        autoescape=False,
        finalize=_only_escaped,
        keep_trailing_newline=True,
        loader=FileSystemLoader(TEMPLATES),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters = {function.__name__: function for function in _FILTERS}
    return made


def _only_escaped(value: object) -> object:
    assert isinstance(value, Escaped), "a template outputs a value without a filter"
    return value
