"""Log lines of a service: what systemd reads of them."""

import sys

from hostio.system.runner import Command, LocalRunner
from tests.checkout import ROOT

CODE = (
    "import logging; from hostio.system.journal import log_to_journal; log_to_journal();"
    'log = logging.getLogger("x"); log.info("one"); log.warning("two"); log.error("three\\nfour")'
)


def streams(which: str) -> list[str]:
    script = f"{sys.executable} -c '{CODE}' {which}"
    command = Command(["/bin/sh", "-c", script], env={"PYTHONPATH": str(ROOT)})
    return LocalRunner().run(command).decode().splitlines()


def test_what_is_no_error_goes_to_standard_output_with_its_priority() -> None:
    assert streams("2>/dev/null") == ["<6>one", "<4>two"]


def test_an_error_goes_to_standard_error_as_one_record() -> None:
    assert streams("2>&1 >/dev/null") == ["<3>three\\nfour"]
