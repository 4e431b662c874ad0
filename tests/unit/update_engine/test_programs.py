"""Every program of the engine, started where it cannot work: no traceback, whatever happens."""

import sys

import pytest

from hostio.system.runner import Command, LocalRunner
from tests.checkout import ROOT

PROGRAMS = {
    "update-ctl": "update_engine.cli",
    "boot-step": "update_engine.boot.steps",
    "update_engine_client": "update_engine.client",
    "update-engine": "update_engine.service",
}
CALLS = [
    "update-ctl status",
    "update-ctl status --json",
    "update-ctl why",
    "update-ctl check",
    "update-ctl apply",
    "update-ctl apply --payload /nonexistent",
    "update-ctl rollback",
    "update-ctl firmware status",
    "update-ctl config",
    "update-ctl --help",
    "update-ctl nonsense",
    "boot-step assess health bless",
    "boot-step --help",
    "update_engine_client -status",
    "update_engine_client -update",
    "update_engine_client -nonsense",
    "update-engine",
]
STREAMS = {
    "as it is": "",
    "a full disk": ">/dev/full",
    "a closed pipe": "| true",
    "a closed standard output": ">&-",
}


def said(call: str, streams: str, **environment: str) -> str:
    """Everything a call says on standard error."""
    program, _, arguments = call.partition(" ")
    code = f"import sys; from {PROGRAMS[program]} import main; sys.exit(main())"
    script = f"{{ {sys.executable} -c '{code}' {arguments} {streams} ; }} 2>&1 >/dev/null || true"
    env = {"PYTHONPATH": str(ROOT), **environment}
    return LocalRunner().run(Command(["/bin/sh", "-c", script], env=env, timeout=60)).decode()


CASES = [(call, "as it is") for call in CALLS] + [
    (call, streams)
    for call in ("update-ctl status", "update-ctl --help", "update_engine_client -status")
    for streams in list(STREAMS)[1:]
]


@pytest.mark.parametrize(("call", "streams"), CASES)
def test_no_command_ends_in_a_traceback(call: str, streams: str) -> None:
    text = said(call, STREAMS[streams])
    assert "Traceback" not in text
    assert len(text.splitlines()) < 12


@pytest.mark.parametrize("call", ["update-ctl status", "update-ctl apply --payload zwölf\udcff"])
def test_an_ascii_terminal_is_no_reason_for_a_traceback(call: str) -> None:
    text = said(call, "", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "Traceback" not in text


@pytest.mark.parametrize("call", ["update-ctl status", "boot-step assess"])
def test_elsewhere_a_program_says_what_it_needs(call: str) -> None:
    assert "booted from an image" in said(call, "")
