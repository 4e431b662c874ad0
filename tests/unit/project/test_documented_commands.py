"""Every command line that a document shows is run by a test."""

import pytest

from tests.checkout import ROOT
from tests.documented import (
    AS_TYPED,
    ON_MACHINE,
    RUNNERS,
    CommandLine,
    command_lines,
    is_mention,
    texts,
)
from tests.qemu.conftest import SCENARIOS
from tests.unit.project import named


def shown(line: CommandLine) -> str:
    return f"{line.document}: {line.text}"


@pytest.mark.parametrize("line", command_lines(), ids=shown)
def test_a_documented_command_has_a_runner(line: CommandLine) -> None:
    hint = "say in tests/documented.py what runs it"
    assert line.text in RUNNERS or is_mention(line.text), hint


@pytest.mark.parametrize("text", RUNNERS)
def test_a_runner_is_of_a_command_that_is_documented(text: str) -> None:
    assert text in {line.text for line in command_lines()}


@pytest.mark.parametrize("runner", sorted(set(RUNNERS.values())))
def test_a_runner_exists(runner: str) -> None:
    if runner.startswith(ON_MACHINE):
        assert runner.removeprefix(ON_MACHINE) in SCENARIOS
    else:
        assert runner == AS_TYPED or runner in named.tests()


def test_commands_are_found_in_blocks_and_in_running_text() -> None:
    document = """\
Run `update-ctl status` or `update-ctl`.

```
$ build-image images/a \\
    --version 1.0.0     # the first one
    0.0 s  building
```

```yaml
make: nothing
```
"""
    wanted = ["build-image images/a --version 1.0.0", "update-ctl status"]
    assert list(texts(document)) == wanted


def test_ci_runs_make_test_and_nothing_after_it() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    assert ci.rstrip().splitlines()[-1] == "exec make test"
