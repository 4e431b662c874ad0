"""What a machine consists of, read from the call that makes it."""

from pathlib import Path

import pytest

from builder.machine import smbios
from builder.machine.boards import Board
from builder.machine.hardware import Accel, Hardware, MachineFiles
from builder.machine.network import Forward, parse_network
from builder.machine.qemucall import qemu_call
from osmodel.faults import InvalidInput

FILES = MachineFiles(Path("/run/m"))


def call(accel: Accel = Accel.TCG, **parts: object) -> str:
    hardware = Hardware(accel=accel, ssh_port=2222, **parts)  # type: ignore[arg-type]  # by name
    return " ".join(qemu_call(hardware, FILES))


def test_the_guest_reaches_no_network() -> None:
    text = call()
    assert "user,id=net,restrict=on,net=10.0.2.0/24," in text
    assert ",hostfwd=tcp:127.0.0.1:2222-:22 " in text


def test_a_forward_gives_the_guest_one_service_of_this_host() -> None:
    forward = Forward("10.0.2.100", 80, 8080)
    wanted = ",guestfwd=tcp:10.0.2.100:80-cmd:socat STDIO TCP:127.0.0.1:8080"
    assert wanted in call(forwards=(forward,))


def test_the_firmware_never_tries_to_boot_from_a_network() -> None:
    text = call()
    assert "IPv4PXESupport,string=n" in text
    assert "virtio-net-pci,netdev=net,romfile= " in text


def test_a_guest_that_hangs_is_reset() -> None:
    assert "-device i6300esb -action watchdog=reset" in call()


def test_emulation_uses_the_processor_that_is_fast_to_emulate() -> None:
    assert "-accel tcg,thread=multi -cpu Nehalem" in call()
    assert "-accel kvm -cpu host" in call(Accel.KVM)


def test_credentials_are_passed_as_firmware_strings() -> None:
    text = call(credentials={"ssh.authorized_keys.root": b"ssh-ed25519 AAAA me\n"})
    name = "io.systemd.credential.binary:ssh.authorized_keys.root"
    assert f"-smbios type=11,value={name}=c3NoLWVkMjU1MTkgQUFBQSBtZQo=" in text


def test_a_comma_in_a_path_does_not_end_an_option() -> None:
    hardware = Hardware(accel=Accel.TCG, ssh_port=1)
    text = " ".join(qemu_call(hardware, MachineFiles(Path("/run/a,b"))))
    assert "path=/run/a,,b/console.log" in text


def test_the_machine_reports_on_its_own_port() -> None:
    assert "virtserialport,chardev=report,name=org.twinkeel.report" in call()


def test_reads_a_forward() -> None:
    assert Forward.parse("10.0.2.100:80=8080") == Forward("10.0.2.100", 80, 8080)


@pytest.mark.parametrize("text", ["", "80=80", "10.0.2.100=8080", "10.0.2.100:80", "a:b=c"])
def test_refuses_a_forward_of_another_form(text: str) -> None:
    with pytest.raises(InvalidInput):
        Forward.parse(text)


@pytest.mark.parametrize(
    "address", ["10.0.2.2", "10.0.2.15", "10.0.2.255", "10.0.3.4", "10.0.2.256", "x"]
)
def test_refuses_a_forward_to_an_address_the_guest_cannot_reach(address: str) -> None:
    with pytest.raises(InvalidInput, match="no free address"):
        Forward.parse(f"{address}:80=8080")


def test_a_guest_can_live_where_clouds_keep_their_metadata() -> None:
    network = parse_network("169.254.169.0/24")
    forward = Forward.parse("169.254.169.254:80=8080", network)
    text = call(network=network, forwards=(forward,))
    assert "net=169.254.169.0/24,host=169.254.169.2,dns=169.254.169.3" in text
    assert "guestfwd=tcp:169.254.169.254:80-cmd:socat" in text


@pytest.mark.parametrize("text", ["", "10.0.2.0", "10.0.2.1/24", "10.0.2.0/30", "fec0::/64"])
def test_refuses_a_network_qemu_cannot_have(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_network(text)


def test_a_medium_is_a_disk_that_cannot_be_written() -> None:
    text = call(media=(Path("/run/seed.iso"),))
    assert "id=medium0,format=raw,readonly=on,file=/run/seed.iso" in text
    assert "-device virtio-blk-pci,drive=medium0" in text


def test_names_of_one_firmware_table_share_an_option() -> None:
    names = {
        "system-manufacturer": "Amazon, Inc",
        "system-product-name": "t3",
        "bios-vendor": "X",
    }
    text = call(smbios=names)
    assert "-smbios type=0,vendor=X -smbios type=1,manufacturer=Amazon,, Inc,product=t3" in text


def test_words_for_the_kernel_go_to_the_stub_as_one_string() -> None:
    wanted = "type=11,value=io.systemd.stub.kernel-cmdline-extra=quiet a=b"
    assert wanted in call(Accel.KVM, kernel_args=("quiet", "a=b"))


def test_an_emulated_pc_does_not_panic_over_a_late_timer() -> None:
    words = "kernel-cmdline-extra=no_timer_check"
    assert f"{words} quiet" in call(kernel_args=("quiet",))
    assert words not in call(Accel.KVM)
    assert words not in call(board=Board.VIRT)


def test_a_name_no_table_has_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidInput, match="'colour'") as caught:
        smbios.check({"colour": "red"}, {})
    assert "system-uuid" in caught.value.hint


def test_a_credential_longer_than_an_argument_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most 65536"):
        smbios.check({}, {"big": bytes(65537)})


def test_an_arm64_server_has_its_firmware_and_the_same_devices() -> None:
    text = call(board=Board.VIRT)
    assert text.startswith("qemu-system-aarch64 ")
    assert "-machine virt,gic-version=max -accel tcg,thread=multi -cpu cortex-a72" in text
    assert "readonly=on,file=/usr/share/AAVMF/AAVMF_CODE.fd" in text
    for device in ("virtio-blk-pci", "virtio-net-pci", "virtserialport", "i6300esb"):
        assert device in text


def test_u_boot_replaces_the_firmware_and_its_variables() -> None:
    text = call(board=Board.U_BOOT)
    assert "-bios /usr/lib/u-boot/qemu_arm64/u-boot.bin" in text
    assert "pflash" not in text


def test_a_board_has_what_is_soldered_on_and_nothing_else() -> None:
    text = call(board=Board.RASPI3B, memory_mib=4096, cpus=2)
    assert "-machine raspi3b" in text
    assert "-m 1024 -smp 4" in text
    assert "-kernel /run/m/kernel.bin -dtb /run/m/board.dtb" in text
    assert "-serial null -serial chardev:console -drive if=sd,format=qcow2" in text
    for absent in ("virtio", "netdev", "smbios", "pflash", "-bios", "-cpu"):
        assert absent not in text


def test_what_a_board_cannot_have_is_refused_with_what_can() -> None:
    hardware = Hardware(Accel.TCG, 1, board=Board.RASPI3B, credentials={"a": b"b"})
    with pytest.raises(InvalidInput, match="raspi3b has no credentials here") as caught:
        hardware.check()
    assert "u-boot" in caught.value.hint
