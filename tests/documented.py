"""The command lines of README.md and docs/usage, and what runs each of them.

A command line that no test runs is a promise nobody keeps: one that is missing in
``RUNNERS`` fails a test, and so does one there that no document has.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.checkout import ROOT

AS_TYPED = "typed"
"""By tests/interop/test_documented_commands.py, in the order of its document."""

ON_MACHINE = "machine: "
"""Before the name of the scenario that runs it on a booted machine."""

_MIRROR_KEYS = "--key file:{0}.keys/targets-1.pem --key file:{0}.keys/targets-2.pem"

RUNNERS: Mapping[str, str] = {
    "make demo": "test_the_demo_ends_well",
    "make demo ARCH=arm64": "test_the_demo_ends_well",
    "make demo PLATFORM=raspberrypi": "test_the_demo_ends_well",
    "make test": "test_ci_runs_make_test_and_nothing_after_it",
    "make help": AS_TYPED,
    "make clean": "test_make_clean_removes_what_was_built",
    # A repository, images, a boot, a publication.
    "update-mirror init my-repo --threshold 2 --keys 3": AS_TYPED,
    "build-image images/minimal --version 1.0.0 --trust-root my-repo/metadata/1.root.json"
    " --update-url http://mirror.example/my-repo": AS_TYPED,
    "boot-image out/minimal-x86_64-1.0.0": AS_TYPED,
    "build-image images/minimal --version 1.0.1 --trust-root my-repo/metadata/1.root.json"
    " --update-url http://mirror.example/my-repo": AS_TYPED,
    f"update-mirror publish my-repo out/minimal-x86_64-1.0.1 {_MIRROR_KEYS.format('my-repo')}": (
        AS_TYPED
    ),
    "update-mirror serve my-repo --listen 127.0.0.1:8080": AS_TYPED,
    "update-mirror init /srv/mirror --threshold 2 --keys 3": AS_TYPED,
    "build-image images/minimal --version 1.0.1 --trust-root /srv/mirror/metadata/1.root.json"
    " --update-url http://mirror.example/": AS_TYPED,
    "update-mirror publish /srv/mirror out/minimal-x86_64-1.0.1 "
    + _MIRROR_KEYS.format("/srv/mirror"): AS_TYPED,
    "update-mirror serve /srv/mirror --listen 0.0.0.0:8080": AS_TYPED,
    "update-mirror refresh /srv/mirror": AS_TYPED,
    "update-mirror refresh /srv/mirror --clock-is-right": AS_TYPED,
    # Building, for people who look up the options.
    "build-image images/NAME [--arch A] [--platform P] [--version V] [--out DIR]"
    " [--trust-root FILE] ...": "test_building_twice_gives_the_same_bits_whatever_the_umask",
    "build-image lock images/NAME [--arch A] [--platform P] [--check]": (
        "test_the_commands_lock_and_check_a_definition"
    ),
    "build-image lock images/NAME --check": "test_the_commands_lock_and_check_a_definition",
    "build-image lock --tools [--arch A] [--check]": "test_a_lock_can_be_refreshed",
    # Cards.
    "build-image images/minimal --platform raspberrypi --version 1.0.0": (
        "test_no_rule_for_the_emulator_stays_behind"
    ),
    "build-image flash out/minimal-arm64-raspberrypi-1.0.0 /dev/sdX": (
        "test_a_written_card_has_the_partitions_of_the_image"
    ),
    "build-image flash out/minimal-arm64-raspberrypi-1.0.0 /dev/sdb": (
        "test_a_written_card_has_the_partitions_of_the_image"
    ),
    "build-image flash RELEASE DEVICE": "test_a_written_card_has_the_partitions_of_the_image",
    "zstd -dc NAME.img.zst | dd of=/dev/sdb bs=4M": "test_what_the_map_leaves_out_is_not_missed",
    "bmaptool copy": "test_what_the_map_leaves_out_is_not_missed",
    # User data for a machine.
    "xorrisofs -V cidata -J -r -o seed.iso user-data meta-data": (
        "test_another_instance_is_configured_anew"
    ),
    "boot-image out/minimal-x86_64-1.0.0 --medium seed.iso": (
        "test_another_instance_is_configured_anew"
    ),
    "boot-image out/minimal-x86_64-1.0.0 --credential cloud-config.user-data=config.yml": (
        "test_an_address_is_known_once_the_network_is_up"
    ),
    "qemu-system-x86_64 ... -smbios type=11,value=io.systemd.credential.binary:"
    "cloud-config.user-data=$(base64 -w0 config.yml)": (
        "test_an_address_is_known_once_the_network_is_up"
    ),
    "openssl passwd -6": AS_TYPED,
    "cloud-config validate FILE": AS_TYPED,
    "cloud-config validate --json FILE": AS_TYPED,
    "cloud-config schema": AS_TYPED,
    "cloud-config schema > cloud-config.schema.json": AS_TYPED,
    "coreos-cloudinit -from-file F -validate": AS_TYPED,
    "cloud-config validate F": AS_TYPED,
    # On a configured machine.
    "cloud-config plan user-data": f"{ON_MACHINE}nocloud",
    "cloud-config plan FILE": f"{ON_MACHINE}nocloud",
    "cloud-config status": f"{ON_MACHINE}nocloud",
    "cloud-config status --wait": f"{ON_MACHINE}nocloud",
    "cloud-config diff": f"{ON_MACHINE}nocloud",
    "cloud-config sources": f"{ON_MACHINE}nocloud",
    "cloud-config apply FILE": f"{ON_MACHINE}nocloud",
    "cloud-config apply": f"{ON_MACHINE}nocloud",
    "journalctl -u 'cloud-config-*'": f"{ON_MACHINE}nocloud",
    # On a machine that was updated and fell back.
    "update-ctl status": f"{ON_MACHINE}lifecycle",
    "update-ctl status --json": f"{ON_MACHINE}lifecycle",
    "update-ctl check": f"{ON_MACHINE}lifecycle",
    "update-ctl why": f"{ON_MACHINE}lifecycle",
    "update-ctl config": f"{ON_MACHINE}lifecycle",
    "update-ctl etc": f"{ON_MACHINE}lifecycle",
    "update-ctl etc [--all]": f"{ON_MACHINE}lifecycle",
    "update-ctl rollback [--reboot]": f"{ON_MACHINE}lifecycle",
    "update-ctl apply --payload FILE": f"{ON_MACHINE}lifecycle",
    "update-ctl apply [--reboot]": f"{ON_MACHINE}lifecycle",
    "update-ctl apply --reboot": f"{ON_MACHINE}lifecycle",
    "update-ctl apply --retry VERSION": f"{ON_MACHINE}lifecycle",
    "update-ctl firmware status": f"{ON_MACHINE}raspberrypi",
    "update-ctl firmware update boot.scr": f"{ON_MACHINE}raspberrypi",
    "update-ctl firmware update": f"{ON_MACHINE}raspberrypi",
}
"""Runner by command line: one of the two above, or the name of a test. Those of a machine
run in this order."""

_OURS = ("build-image", "boot-image", "update-mirror", "update-ctl", "cloud-config")
_OLD_NAMES = ("coreos-cloudinit", "update_engine_client")
_OTHERS = ("make", "xorrisofs", "openssl", "bmaptool", "journalctl", "zstd", "qemu-system-x86_64")
_PROGRAM = rf"(?:{'|'.join((*_OURS, *_OLD_NAMES, *_OTHERS))})"
_FENCED = re.compile(r"^```(?:sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ANY_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(rf"^(?:[#$] )?(?:\.venv/bin/)?({_PROGRAM} .*?)(?:\s+#\s.*)?$", re.MULTILINE)
_SPAN = re.compile(rf"(?<!`)`({_PROGRAM} [^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command with its arguments, as a document has it.

    Attributes:
        document: path below the checkout.
        text: on one line, single blanks, without comment and directory of the program.
    """

    document: str
    text: str


def documents() -> list[Path]:
    """README.md and what operators read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs" / "usage").glob("*.md"))]


def command_lines() -> tuple[CommandLine, ...]:
    """All that have arguments, each once for its document, in their order."""
    found = (
        CommandLine(str(path.relative_to(ROOT)), text)
        for path in documents()
        for text in texts(path.read_text(encoding="utf-8"))
    )
    return tuple(dict.fromkeys(found))


def texts(document: str) -> Iterator[str]:
    """The command lines of one document; those in running text come last."""
    for block in _FENCED.findall(document):
        for text in _LINE.findall(block.replace("\\\n", " ")):
            yield " ".join(text.split())
    yield from _SPAN.findall(_ANY_FENCE.sub("", document))


def is_mention(text: str) -> bool:
    """Whether it only names a command that has more words where it is used."""
    return text not in RUNNERS and any(one.startswith(f"{text} ") for one in RUNNERS)


def on_machine(scenario: str) -> tuple[str, ...]:
    """The command lines that a scenario runs, in their order; options in brackets left out."""
    wanted = f"{ON_MACHINE}{scenario}"
    lines = [text for text, runner in RUNNERS.items() if runner == wanted]
    return tuple(dict.fromkeys(re.sub(r" \[.*?\]", "", line) for line in lines))
