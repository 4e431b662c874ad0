"""Which mirror a build uses: the operator's, else the host's, else Debian's default."""

from pathlib import Path

import pytest

from builder.packages import mirrors
from builder.packages.lock import LockedPackage
from builder.packages.mirrors import MAIN_VARIABLE, SECURITY_VARIABLE, SNAPSHOT_VARIABLE, Mirrors
from osmodel.faults import InvalidInput
from tests.fakes.runner import ScriptedRunner, failing

DEBIAN = ScriptedRunner(
    apt_get=b"Debian|Debian http://m.example/debian\n"
    b"Debian|Debian-Security http://s.example/sec\n"
    b"Other|Other http://o.example/x\n"
)
UBUNTU = ScriptedRunner(apt_get=b"Ubuntu|Ubuntu http://u.example/ubuntu\n")
PUBLIC = mirrors.find({}, DEBIAN).snapshot
BROKEN = ScriptedRunner(apt_get=failing("exit 100: apt-get"))


SCRIPT = "keyring x\n  default_mirror http://d.example/debian\n"
PROGRAM = 'DEF_MIRROR="http://d.example/debian"\n'


def test_a_debian_host_uses_what_it_uses_for_itself() -> None:
    found = mirrors.find({}, DEBIAN)
    assert found == Mirrors("http://m.example/debian", "http://s.example/sec", PUBLIC)


def test_the_operator_wins() -> None:
    environment = {MAIN_VARIABLE: "http://a.example/debian/", SECURITY_VARIABLE: "file:///b"}
    found = mirrors.find(environment, DEBIAN)
    assert found == Mirrors("http://a.example/debian", "file:///b", PUBLIC)


@pytest.mark.parametrize(
    ("told", "used"), [("http://s.example/", "http://s.example"), ("none", "")]
)
def test_the_snapshot_service_is_a_setting(told: str, used: str) -> None:
    assert mirrors.find({SNAPSHOT_VARIABLE: told}, DEBIAN).snapshot == used


def test_a_plus_sign_in_a_path_is_quoted_for_object_stores() -> None:
    package = LockedPackage("a", "1+b", "all", 1, "0" * 64, "debian", "pool/a_1+b~c_all.deb")
    assert mirrors.find({}, DEBIAN).url(package).endswith("/pool/a_1%2Bb~c_all.deb")


@pytest.mark.parametrize("runner", [UBUNTU, BROKEN])
@pytest.mark.parametrize("texts", [(SCRIPT, "DEF_MIRROR=http://x"), ("no mirror", PROGRAM)])
def test_another_host_uses_the_default_of_debootstrap(
    tmp_path: Path, runner: ScriptedRunner, texts: tuple[str, str]
) -> None:
    places = [tmp_path / "missing", tmp_path / "trixie", tmp_path / "debootstrap"]
    for place, text in zip(places[1:], texts, strict=True):
        place.write_text(text)
    found = mirrors.find({}, runner, debootstrap=places)
    assert found == Mirrors("http://d.example/debian", "http://d.example/debian-security", PUBLIC)


def test_a_host_that_knows_no_mirror_is_told_how_to_name_one() -> None:
    with pytest.raises(InvalidInput, match="no Debian mirror is known") as caught:
        mirrors.find({}, UBUNTU, debootstrap=[])
    assert MAIN_VARIABLE in caught.value.hint


@pytest.mark.parametrize("address", ["ftp://x/debian", "http://x y", "x", "http://x'; rm"])
def test_an_address_that_apt_would_misread_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="not a mirror address"):
        mirrors.find({MAIN_VARIABLE: address}, UBUNTU)
