"""The units and health checks of the image, judged by systemd and by a shell."""

import shutil
from pathlib import Path

import pytest

from hostio.system.runner import Command, LocalRunner
from osmodel.faults import HostFailure
from tests.checkout import ROOT

OVERLAY = ROOT / "images/minimal/overlay"
UNITS = OVERLAY / "usr/lib/systemd/system"
CHECKS = OVERLAY / "usr/lib/update-engine/health.d"
RUNNER = LocalRunner()

pytestmark = pytest.mark.interop
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def complaints(directory: Path) -> str:
    """What systemd says about starting the machine with these units."""
    log = directory / "log"
    script = f"systemd-analyze verify --man=no multi-user.target 2>{log} || true"
    env = {"SYSTEMD_UNIT_PATH": f"{directory}:"}
    RUNNER.run(Command(["/bin/sh", "-c", script], env=env))
    return log.read_text()


@pytest.fixture
def units(tmp_path: Path) -> Path:
    place = tmp_path / "units"
    shutil.copytree(UNITS, place, symlinks=True)
    return place


@needs_systemd
def test_the_units_can_be_ordered(units: Path) -> None:
    assert "cycle" not in complaints(units)


@needs_systemd
def test_the_order_of_the_blessing_is_what_avoids_a_cycle(units: Path) -> None:
    bless = units / "update-engine-bless.service"
    text = bless.read_text()
    changed = text.replace("boot-complete.target multi-user.target", "boot-complete.target")
    assert changed != text
    bless.write_text(changed)
    assert "ordering cycle" in complaints(units)


def test_every_link_leads_to_a_unit() -> None:
    links = [path for path in UNITS.rglob("*") if path.is_symlink()]
    assert {path.name for path in links} >= {
        "update-engine-bless.service",
        "update-engine-health.service",
        "update-engine-run.timer",
        "update-engine-deadline.timer",
    }
    assert all(path.resolve().is_file() or str(path.readlink()) == "/dev/null" for path in links)


def program(directory: Path, name: str, script: str) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def check(name: str, tmp_path: Path, **programs: str) -> None:
    """Run a health check with stand-ins for the programs it asks."""
    for known, script in programs.items():
        program(tmp_path, known, script)
    text = (CHECKS / name).read_text()
    text = text.replace("/var/lib/update-engine", str(tmp_path))
    text = text.replace("/usr/lib/systemd/systemd-networkd-wait-online", f"{tmp_path}/online")
    copy = tmp_path / name
    copy.write_text(text)
    RUNNER.run(Command(["/bin/sh", str(copy)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}))


@pytest.mark.parametrize("path", sorted(CHECKS.iterdir()), ids=lambda path: str(path.name))
def test_checks_can_be_executed(path: Path) -> None:
    assert path.stat().st_mode & 0o111 == 0o111


def systemctl(failed: str = "", fragment: str = "", active: int = 0) -> str:
    return (
        f'case "$1" in is-active) exit {active} ;; '
        f"list-units) [ -z '{failed}' ] || echo '{failed} loaded failed failed x' ;; "
        f"show) echo {fragment} ;; esac"
    )


def test_a_running_system_is_healthy(tmp_path: Path) -> None:
    check("10-system-running", tmp_path, systemctl=systemctl())


def test_a_failed_unit_of_the_image_is_a_bad_sign(tmp_path: Path) -> None:
    script = systemctl("etcd.service", "/usr/lib/systemd/system/etcd.service")
    with pytest.raises(HostFailure, match=r"failed units: etcd\.service"):
        check("10-system-running", tmp_path, systemctl=script)


def test_a_failed_unit_of_the_operator_is_not_the_image_s_fault(tmp_path: Path) -> None:
    script = systemctl("app.service", "/etc/systemd/system/app.service")
    check("10-system-running", tmp_path, systemctl=script)


def test_a_damaged_data_disk_is_not_the_image_s_fault(tmp_path: Path) -> None:
    script = systemctl(
        "systemd-fsck@dev-vdb.service", "/usr/lib/systemd/system/systemd-fsck@.service"
    )
    check("10-system-running", tmp_path, systemctl=script)


def test_a_system_that_did_not_come_up_is_unhealthy(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match=r"multi-user\.target was not reached"):
        check("10-system-running", tmp_path, systemctl=systemctl(active=3))


def test_waiting_for_the_network_has_a_check_of_its_own(tmp_path: Path) -> None:
    unit = "systemd-networkd-wait-online.service"
    script = systemctl(unit, f"/usr/lib/systemd/system/{unit}")
    check("10-system-running", tmp_path, systemctl=script)


def test_a_machine_that_never_had_a_network_needs_none(tmp_path: Path) -> None:
    check("20-network", tmp_path, online="exit 1")
    assert not (tmp_path / "network-seen").exists()


def test_a_network_that_was_there_must_come_back(tmp_path: Path) -> None:
    check("20-network", tmp_path, online="exit 0")
    assert (tmp_path / "network-seen").exists()
    with pytest.raises(HostFailure, match="no link has an address"):
        check("20-network", tmp_path, online="exit 1")


def test_a_network_manager_that_is_gone_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "network-seen").touch()
    with pytest.raises(HostFailure, match="no link has an address"):
        check("20-network", tmp_path)


def test_more_patience_is_had_where_a_network_is_known(tmp_path: Path) -> None:
    (tmp_path / "network-seen").touch()
    check("20-network", tmp_path, online=f"echo $* >{tmp_path}/asked")
    assert "--timeout=60" in (tmp_path / "asked").read_text()


def test_an_engine_that_cannot_be_called_is_a_bad_sign(tmp_path: Path) -> None:
    listed = "echo com.coreos.update1 - - - '(activatable)' -"
    check("30-update-engine", tmp_path, busctl=listed)
    for busctl in ("exit 1", "echo com.coreos.update10 - -", "true"):
        with pytest.raises(HostFailure, match="cannot be called"):
            check("30-update-engine", tmp_path, busctl=busctl)


def test_no_check_starts_the_engine_just_to_see_it_start() -> None:
    assert not [path.name for path in CHECKS.iterdir() if "busctl call" in path.read_text()]


EXPOSURE = {  # of systemd-analyze: 0 is a closed box, 10 is everything
    "update-engine-run.service": 3.2,
    "update-engine-bless.service": 3.0,
    "update-engine-stable.service": 3.0,
    "update-engine-end.service": 3.0,
    "update-engine-deadline.service": 4.2,
    "update-engine.service": 3.0,
}


@needs_systemd
@pytest.mark.parametrize("unit", EXPOSURE)
def test_a_unit_can_do_little_beside_its_work(unit: str) -> None:
    argv = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNITS / unit)]
    said = RUNNER.run(Command(["/bin/sh", "-c", f"{' '.join(argv)} || true"])).decode()
    figure = said.rpartition("Overall exposure level for ")[2].split()[1]
    assert float(figure) <= EXPOSURE[unit], said


def test_only_the_health_checks_run_unconfined() -> None:
    """They are programs of the operator as well, and may need anything."""
    ours = {path.name for path in UNITS.glob("update-engine*.service")}
    assert ours - EXPOSURE.keys() == {"update-engine-health.service"}
