import json

import pytest

from osmodel.faults import InvalidInput
from osmodel.hostidentity import HostIdentity, identify_host
from osmodel.version import Version

ROOT = "ab" * 32
IDENTITY = {"image": "minimal", "architecture": "x86_64", "platform": "uefi", "version": "1.0.0"}


def test_a_machine_is_its_image_its_root_and_its_start() -> None:
    found = identify_host(json.dumps(IDENTITY), f"roothash={ROOT} ro\n", "some-boot-id\n")
    assert found == HostIdentity(
        "minimal", "x86_64", "uefi", Version.parse("1.0.0"), ROOT, "some-boot-id"
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"image": "x"}'])
def test_a_damaged_identity_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"identity\.json: damaged"):
        identify_host(text, f"roothash={ROOT}", "boot")


@pytest.mark.parametrize("line", ["quiet", "roothash=xyz", f"roothash={ROOT} roothash={'cd' * 32}"])
def test_a_machine_without_a_verified_root_is_none_of_ours(line: str) -> None:
    with pytest.raises(InvalidInput, match="not started from a verified slot"):
        identify_host(json.dumps(IDENTITY), line, "boot")
