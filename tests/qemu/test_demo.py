"""``make demo`` as a newcomer types it."""

import pytest

from hostio.system.runner import Command, LocalRunner
from tests.checkout import ROOT


@pytest.mark.exhaustive
@pytest.mark.parametrize("machine", ["", "ARCH=arm64", "PLATFORM=raspberrypi"])
def test_the_demo_ends_well(machine: str) -> None:
    argv = ("make", "demo", *filter(None, [machine]))
    printed = LocalRunner().run(Command(argv, cwd=ROOT, timeout=7200)).decode()
    assert "survived a bad update" in printed.splitlines()[-1]
