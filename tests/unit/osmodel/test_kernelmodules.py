import pytest

from osmodel.kernelmodules import Alias, module_name, parse_index

DEPENDENCIES = """\
kernel/drivers/block/virtio_blk.ko:
kernel/md/dm-verity.ko: kernel/lib/rs.ko kernel/md/dm-bufio.ko kernel/md/dm-mod.ko
kernel/md/dm-mod.ko:
kernel/md/dm-bufio.ko: kernel/md/dm-mod.ko
kernel/lib/rs.ko:
not a line of this file
"""
ALIASES = """\
# Aliases extracted from modules themselves.
alias virtio:d00000002v* virtio_blk
alias pci:v00008086d0000[24]922sv*sd*bc*sc*i* ahci
alias dm-verity dm-verity
alias too few
"""


def test_what_a_module_needs_is_loaded_first() -> None:
    order = [module_name(file) for file in parse_index(DEPENDENCIES).load_order("dm_verity")]
    assert order == ["dm_mod", "dm_bufio", "rs", "dm_verity"]


def test_a_module_that_is_not_there_needs_nothing() -> None:
    assert parse_index(DEPENDENCIES).load_order("ext4") == []


@pytest.mark.parametrize(
    ("device", "drivers"),
    [
        ("virtio:d00000002v00001AF4", ["virtio_blk"]),
        ("virtio:d00000003v00001AF4", []),
        ("pci:v00008086d00002922sv1sd2bc3sc4i5", ["ahci"]),
        ("pci:v00008086d00003922sv1sd2bc3sc4i5", []),
        ("dm-verity", ["dm_verity"]),
        ("", []),
    ],
)
def test_a_device_names_its_drivers(device: str, drivers: list[str]) -> None:
    assert parse_index("", ALIASES).drivers_of(device) == drivers


def test_patterns_are_told_apart_by_their_start() -> None:
    aliases = parse_index("", ALIASES).aliases
    assert aliases[0] == Alias("virtio:d00000002v", "virtio:d00000002v*", "virtio_blk")
    assert aliases[2].prefix == "dm-verity"


@pytest.mark.parametrize("path", ["a/dm-verity.ko", "dm_verity.ko.xz", "dm-verity"])
def test_the_name_of_a_module_has_no_dashes(path: str) -> None:
    assert module_name(path) == "dm_verity"
