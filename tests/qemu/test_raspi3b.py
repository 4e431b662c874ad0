"""The image for a Raspberry Pi on QEMU's model of one, from its memory card."""

import re

from tests.qemu.observations import Observations


def test_it_comes_to_multi_user_and_says_so(raspi3b: Observations) -> None:
    status = raspi3b.status("boot")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")


def test_u_boot_ran_the_script_that_chose_the_slot(raspi3b: Observations) -> None:
    console = raspi3b.text("console")
    script = console.index("with script")
    assert re.search(r"twinkeel: starting slot a\b", console[script:])
