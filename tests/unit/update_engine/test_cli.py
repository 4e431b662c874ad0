"""The command line of the update engine on a machine in memory."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hostio.files.dropins import Problem, Severity
from osmodel.faults import TransientFailure
from tests.fakes.payloads import signed_payload
from tests.fakes.ramsystem import NEW, OLD, RamReleases, RamSystem, factory_media, updated_machine
from update_engine.cli import parser, run
from update_engine.core.enginestate import Quarantined
from update_engine.output import ProgressLine
from update_engine.settings import Configuration, RepositorySettings, Settings, UpdateSettings
from update_engine.store import Progress

ONLINE = Settings(repository=RepositorySettings("https://mirror/{group}"))
OFF = replace(ONLINE, updates=UpdateSettings(enabled=False))
VERBS = ("status", "check", "apply", "why", "rollback", "config")


def machine(*, settings: Settings = ONLINE) -> RamSystem:
    return RamSystem(factory_media(), ram_releases=RamReleases(OLD, NEW), settings=settings)


def ctl(system: RamSystem, *arguments: str, problems: Sequence[Problem] = ()) -> tuple[int, str]:
    out = io.StringIO()
    configuration = Configuration(system.settings, {"repository.url": "/etc/x.toml"}, problems)
    return run(arguments, system.world, configuration, out), out.getvalue()


def answer(system: RamSystem, *arguments: str) -> dict[str, object]:
    _, text = ctl(system, *arguments, "--json")
    assert text.count("\n") == 1, "one line, so that it can be framed"
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_speaks_json(verb: str) -> None:
    assert answer(machine(), verb)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_speaks_to_people(verb: str) -> None:
    status, text = ctl(machine(), verb)
    assert status in (0, 11)
    assert text.strip()


def test_status_has_the_fields_that_others_rely_on() -> None:
    status = answer(machine(), "status")
    assert set(status) >= {
        "image", "architecture", "platform", "version", "slot", "root_hash", "health",
        "operation", "new_version", "new_size", "progress", "last_checked", "waiting_for",
        "passive", "entries", "quarantined", "last_error",
    }  # fmt: skip
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "pending")
    assert status["operation"] == "UPDATE_STATUS_IDLE"


def test_status_for_people_names_what_matters() -> None:
    system = machine()
    bad = Quarantined("0.9.9", "ab" * 32, "it panicked", 1)
    system.world.store.change(lambda state: state.with_quarantined(bad))
    system.ram_releases.fault = TransientFailure("the mirror is down", hint="wait")
    ctl(system, "check")
    system.ram_releases.fault = None
    _, text = ctl(system, "status")
    assert "Last error:  transient: the mirror is down" in text
    assert "Quarantined: 0.9.9: it panicked" in text
    ctl(system, "apply")
    _, text = ctl(system, "status")
    assert "Waiting for: reboot" in text
    assert "Other slot:  1.0.1 (indeterminate)" in text
    assert "New version: 1.0.1 (100 %)" in text


def test_check_tells_by_its_exit_status_whether_there_is_something() -> None:
    system = machine()
    assert ctl(system, "check") == (0, "1.0.1 can be installed\n")
    system.ram_releases.releases = (OLD,)
    assert ctl(system, "check") == (10, "nothing newer to install\n")


def test_apply_succeeds_when_there_is_nothing_to_do() -> None:
    system = machine()
    system.ram_releases.releases = (OLD,)
    assert ctl(system, "apply")[0] == 0


def test_apply_reboots_only_when_asked() -> None:
    system = machine()
    assert ctl(system, "apply") == (0, "1.0.1 starts at the next reboot\n")
    assert not system.rebooting
    assert ctl(system, "apply", "--reboot")[0] == 0
    assert system.rebooting


def test_apply_does_not_reboot_into_nothing_new() -> None:
    system = machine()
    system.ram_releases.releases = (OLD,)
    ctl(system, "apply", "--reboot")
    assert not system.rebooting


def test_a_blocked_update_says_why() -> None:
    media = factory_media()
    media.files = {"twinkeel_1.0.0+2-1.efi": OLD.uki}
    status, text = ctl(RamSystem(media, ram_releases=RamReleases(NEW), settings=ONLINE), "apply")
    assert status == 11
    assert "still on trial" in text
    assert "update-ctl status" in text


def test_a_fault_goes_to_standard_error_with_its_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    system = machine()
    system.ram_releases.fault = TransientFailure("the mirror is down", hint="wait")
    assert ctl(system, "apply") == (75, "")
    assert capsys.readouterr().err == "update-ctl: the mirror is down\n  wait\n"


def test_a_machine_with_updates_off_refuses_to_be_asked() -> None:
    assert ctl(machine(settings=OFF), "apply")[0] == 2
    assert ctl(machine(settings=OFF), "check")[0] == 2


@pytest.mark.parametrize("settings", [OFF, Settings()])
def test_a_scheduled_run_on_such_a_machine_ends_quietly(settings: Settings) -> None:
    system = machine(settings=settings)
    assert ctl(system, "apply", "--scheduled") == (0, "")
    assert system.esp.changes == 0


def test_a_scheduled_run_waits_while_backing_off() -> None:
    system = machine()
    system.ram_releases.fault = TransientFailure("down")
    assert ctl(system, "apply", "--scheduled")[0] == 75
    system.ram_releases.fault = None
    assert ctl(system, "apply", "--scheduled") == (0, "")
    system.clock.advance(1000)
    assert ctl(system, "apply", "--scheduled")[1] == "1.0.1 starts at the next reboot\n"


def test_an_operator_does_not_wait() -> None:
    system = machine()
    system.ram_releases.fault = TransientFailure("down")
    ctl(system, "apply", "--scheduled")
    system.ram_releases.fault = None
    assert ctl(system, "apply")[0] == 0


def test_a_payload_file_is_installed(tmp_path: Path) -> None:
    path = tmp_path / "full.payload"
    path.write_bytes(bytes(signed_payload(NEW)))
    system = machine(settings=Settings())
    assert ctl(system, "apply", "--payload", str(path))[1] == "1.0.1 starts at the next reboot\n"


def test_a_quarantined_version_can_be_let_out_by_name() -> None:
    system = machine()
    bad = Quarantined("1.0.1", NEW.release.root_hash, "it panicked", 1)
    system.world.store.change(lambda state: state.with_quarantined(bad))
    assert "quarantined" in ctl(system, "apply")[1]
    assert ctl(system, "apply", "--retry", "1.0.1")[1] == "1.0.1 starts at the next reboot\n"


def test_rolling_back_without_another_version_is_refused() -> None:
    status, text = ctl(machine(), "rollback", "--reboot")
    assert status == 11
    assert "no good version" in text


def test_rolling_back_reboots_when_asked() -> None:
    system = updated_machine()
    assert ctl(system, "rollback", "--reboot") == (0, "1.0.0 starts at the next reboot\n")
    assert system.rebooting


def test_config_names_the_origin_of_each_key() -> None:
    _, text = ctl(machine(), "config")
    assert 'repository.url          = "https://mirror/{group}"  # /etc/x.toml' in text
    assert "updates.enabled         = true  # default" in text


TYPO = Problem(Severity.WARNING, "/etc/y.toml: updates.on: unknown key", "did you mean 'x'?")
BROKEN = Problem(Severity.ERROR, "/etc/z.toml: updates.enabled: expected true or false")


def test_config_shows_what_was_left_out() -> None:
    _, text = ctl(machine(), "config", problems=(TYPO, BROKEN))
    assert "warning: /etc/y.toml: updates.on: unknown key (did you mean 'x'?)\n" in text
    assert text.endswith("error: /etc/z.toml: updates.enabled: expected true or false\n")


@pytest.mark.parametrize("verb", ["check", "apply"])
def test_settings_that_do_not_hold_install_nothing(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be read may have said that no update is wanted."""
    assert ctl(machine(), verb, problems=(TYPO, BROKEN))[0] == 2
    assert "z.toml: updates.enabled: expected true or false" in capsys.readouterr().err


def test_a_key_of_a_newer_version_does_not_keep_a_machine_from_updates() -> None:
    assert ctl(machine(), "apply", problems=(TYPO,))[0] == 0


def test_why_is_made_of_sentences() -> None:
    sentences = answer(machine(), "why")["sentences"]
    assert isinstance(sentences, list)
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("verb", VERBS)
def test_help_describes_every_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([verb, "--help"])
    assert "--json" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


RECORD = Progress("UPDATE_STATUS_DOWNLOADING", "1.0.1", 9, 0.5, 1)


def test_progress_is_drawn_on_a_terminal() -> None:
    terminal = Terminal()
    line = ProgressLine(terminal)
    line.show(RECORD)
    line.end()
    assert terminal.getvalue() == "\rdownloading 1.0.1 [############............]  50 %\n"


def test_no_progress_is_drawn_elsewhere() -> None:
    file = io.StringIO()
    line = ProgressLine(file)
    line.show(RECORD)
    line.end()
    assert not file.getvalue()
