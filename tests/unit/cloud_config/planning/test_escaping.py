"""No value gets out of the place it is written to."""

import shlex
import tomllib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError, UndefinedError

from cloud_config.planning import escaping, rendering
from osmodel.faults import InvalidInput
from osmodel.uki import parse_os_release

ONE_LINE = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], include_characters="\t")
)
NOT_ONE_LINE = st.sampled_from(["\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\ud800"])
EVERY_FILTER: list[Callable[[str], str]] = [
    escaping.line,
    escaping.unit_string,
    escaping.unit_value,
    escaping.env_value,
    escaping.quoted_env_value,
    escaping.toml_value,
]


@pytest.mark.parametrize("escape", EVERY_FILTER, ids=lambda f: f.__name__)
@given(before=st.text(min_size=1), bad=NOT_ONE_LINE, after=st.text(min_size=1))
def test_a_second_line_is_refused_everywhere(
    escape: Callable[[str], str], before: str, bad: str, after: str
) -> None:
    with pytest.raises(InvalidInput):
        escape(before + bad + after)


@pytest.mark.parametrize("escape", EVERY_FILTER, ids=lambda f: f.__name__)
def test_a_refusal_does_not_quote_what_may_be_a_secret(escape: Callable[[str], str]) -> None:
    with pytest.raises(InvalidInput) as fault:
        escape("hunter2\n")
    assert "hunter2" not in str(fault.value)


@given(ONE_LINE)
def test_a_value_of_an_environment_file_is_one_word_of_a_shell(value: str) -> None:
    (word,) = shlex.split(f"X={escaping.env_value(value)}")
    # In double quotes a shell takes more backslashes out than shlex does.
    assert word == f"X={value}" or ("'" in value and set(value) & set("$`"))


@given(ONE_LINE.filter(lambda text: text == text.strip() and not set("'\"") & set(text)))
def test_the_engine_reads_what_is_written_into_update_conf(value: str) -> None:
    text = f"A={escaping.env_value(value)}\nB={escaping.quoted_env_value(value)}\n"
    assert parse_os_release(text) == {"A": value, "B": value}


@given(st.one_of(ONE_LINE, st.integers(), st.booleans(), st.lists(ONE_LINE)))
def test_toml_is_read_back(value: object) -> None:
    assert tomllib.loads(f"x = {escaping.toml_value(value)}")["x"] == value


@given(ONE_LINE)
def test_a_value_that_takes_the_rest_of_a_line_is_whole_or_refused(value: str) -> None:
    try:
        text = escaping.unit_value(value)
    except InvalidInput:
        assert not value or value != value.strip() or value.endswith("\\")
    else:
        assert text.replace("%%", "%") == value


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A=B", "A B", "A\n"])
def test_only_names_of_variables_are_names(name: str) -> None:
    with pytest.raises(InvalidInput):
        escaping.variable(name)


def test_half_a_character_has_no_bytes() -> None:
    with pytest.raises(InvalidInput, match="character 2"):
        escaping.encoded("a\ud800")


def rendered(source: str, **values: object) -> str:
    return rendering.environment().from_string(source).render(values)


def test_a_template_cannot_paste() -> None:
    with pytest.raises(AssertionError, match="without a filter"):
        rendered("Environment={{ value }}", value="x")


def test_what_is_joined_to_a_safe_value_is_not_safe() -> None:
    with pytest.raises(AssertionError):
        rendered("{{ (value | line) ~ other }}", value="x", other="y\nz")


def test_a_template_that_names_nothing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        rendered("{{ typo | line }}")


def test_a_template_reaches_nothing_inside() -> None:
    with pytest.raises(SecurityError):
        rendered("{{ ''.__class__.__mro__[1].__subclasses__() }}")


def test_a_value_is_no_template() -> None:
    assert rendered("{{ value | line }}", value="{{ 7 * 7 }}") == "{{ 7 * 7 }}"


@pytest.mark.parametrize("name", sorted(path.name for path in rendering.TEMPLATES.iterdir()))
def test_every_template_can_be_compiled(name: str) -> None:
    assert rendering.environment().get_template(name).name == name
