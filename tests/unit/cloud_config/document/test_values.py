"""What a document says arrives as values."""

import base64
import gzip

import pytest

from cloud_config.document.catalogue_coreos import COREOS
from cloud_config.document.findings import MAX_FINDINGS, Level
from cloud_config.document.keys import Fields, Items, Leaf
from cloud_config.document.model import (
    Document,
    DropIn,
    Filesystem,
    FileToWrite,
    NamedText,
    Ntp,
    Unit,
)
from cloud_config.document.reading import Reading, read
from cloud_config.document.users import User

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFRjmU2HJm1gd3uHjFrrRMxJP7jH37RHYukDk+VK1HT"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO82/y3+Lv972cfzXHctxkDs1O//ElnWrMzhmNrOUHIO other"


def document(text: str) -> Document:
    reading = read(text)
    assert not reading.findings
    return reading.document


def test_a_user_has_all_fields() -> None:
    text = """\
users:
  - name: elroy
    passwd: "$6$5s2u6/jR$un0AvWnqilcgaNB3Mkxd5yYv6mTlWfOoCYHZmfi3LDKVltj.E8XNKEcwWm"
    groups: [sudo, docker]
    ssh-authorized-keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFRjmU2HJm1gd3uHjFrrRMxJP7jH37RHYukDk+VK1HT
    gecos: E. Jetson
    homedir: /home/elroy
    no_create_home: true
    primary_group: staff
    no_user_group: true
    system: yes
    no-log-init: on
    shell: /bin/bash
"""
    assert document(text).users == (
        User(  # noqa: S604 - a login shell
            name="elroy",
            line=2,
            passwd="$6$5s2u6/jR$un0AvWnqilcgaNB3Mkxd5yYv6mTlWfOoCYHZmfi3LDKVltj.E8XNKEcwWm",
            ssh_authorized_keys=(KEY,),
            gecos="E. Jetson",
            homedir="/home/elroy",
            no_create_home=True,
            primary_group="staff",
            groups=("sudo", "docker"),
            no_user_group=True,
            system=True,
            no_log_init=True,
            shell="/bin/bash",
        ),
    )


def test_a_unit_has_all_fields() -> None:
    text = """\
coreos:
  units:
    - name: a.service
      runtime: true
      enable: true
      mask: false
      command: start
      content: |
        [Service]
        ExecStart=/bin/true
      drop-ins:
        - name: 10-x.conf
          content: "[Unit]"
    - name: b.socket
      mask: true
"""
    assert document(text).coreos.units == (
        Unit(
            "a.service",
            3,
            "[Service]\nExecStart=/bin/true\n",
            enable=True,
            runtime=True,
            command="start",
            drop_ins=(DropIn("10-x.conf", "[Unit]"),),
        ),
        Unit("b.socket", 14, mask=True),
    )


PLAIN = b"hello\x00\xff\n"
ENCODINGS = {
    "b64": base64.b64encode(PLAIN),
    "base64": base64.encodebytes(PLAIN),
    "gz+b64": base64.b64encode(gzip.compress(PLAIN)),
    "gzip+base64": base64.b64encode(gzip.compress(PLAIN)),
    "gz+base64": base64.b64encode(gzip.compress(PLAIN[:3]) + gzip.compress(PLAIN[3:])),
    "gzip+b64": base64.b64encode(gzip.compress(PLAIN) + bytes(512)),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_is_decoded(encoding: str) -> None:
    packed = ENCODINGS[encoding].decode().replace("\n", "\\n")
    text = f'write_files: [{{path: /etc/x, encoding: {encoding}, content: "{packed}"}}]'
    assert document(text).write_files == (FileToWrite("/etc/x", 1, PLAIN),)


@pytest.mark.parametrize("encoding", ["gz", "gzip"])
def test_binary_content_may_be_packed_as_it_is(encoding: str) -> None:
    packed = base64.b64encode(gzip.compress(PLAIN)).decode()
    text = f"write_files: [{{path: /etc/x, encoding: {encoding}, content: !!binary {packed}}}]"
    assert document(text).write_files[0].content == PLAIN


def test_a_file_has_its_mode_owner_and_a_path_without_detours() -> None:
    text = "write_files:\n  - {path: /etc/./a/../b, permissions: '0600', owner: 'core:sudo'}\n"
    assert document(text).write_files == (FileToWrite("/etc/b", 2, b"", 0o600, "core:sudo"),)


def test_files_below_opt_land_on_the_state_partition() -> None:
    text = "write_files: [{path: /opt/bin/x}, {path: /srv/../etc/y}]"
    assert [file.path for file in document(text).write_files] == ["/var/opt/bin/x", "/etc/y"]


def test_a_file_larger_than_may_be_is_refused() -> None:
    packed = base64.b64encode(gzip.compress(bytes(9 << 20))).decode()
    reading = read(f"write_files: [{{path: /etc/x, encoding: gz+b64, content: {packed}}}]")
    assert reading.document.write_files == ()
    assert reading.has_errors


@pytest.mark.parametrize(
    "wrong",
    [
        "permissions: rwx",
        "owner: 'a b'",
        "encoding: b64, content: '!'",
        "encoding: x",
        "path: /usr/y",
    ],
)
def test_a_file_that_cannot_be_as_asked_is_left_out_and_the_others_stay(wrong: str) -> None:
    text = f"write_files:\n  - {{path: /etc/x, {wrong}}}\n  - {{path: /etc/ok}}\n"
    reading = read(text)
    assert [file.path for file in reading.document.write_files] == ["/etc/ok"]
    assert reading.has_errors


def test_files_that_are_too_much_together_are_refused() -> None:
    packed = base64.b64encode(gzip.compress(bytes(7 << 20))).decode()
    item = f"  - {{path: /etc/x, encoding: gz+b64, content: {packed}}}\n"
    reading = read(f"write_files:\n{item * 3}")
    assert len(reading.document.write_files) == 2
    assert str(reading.findings[0]) == (
        "line 4: error: archives hold more than 16777216 bytes; this file and those below are "
        "left out"
    )


def test_archives_that_are_damaged_are_counted_too() -> None:
    damaged = bytearray(gzip.compress(bytes(7 << 20)))
    damaged[-5] ^= 1
    packed = base64.b64encode(damaged).decode()
    item = f"  - {{path: /etc/x, encoding: gz+b64, content: {packed}}}\n"
    reading = read(f"write_files:\n{item * 3}")
    assert [
        next(word for word in ("decoded", "archives") if word in finding.message)
        for finding in reading.findings
    ] == ["decoded", "decoded", "archives"]


def test_gzip_of_very_many_pieces_is_refused() -> None:
    packed = base64.b64encode(gzip.compress(b"x") * 17).decode()
    text = f"write_files: [{{path: /etc/x, encoding: gz+b64, content: {packed}}}]"
    assert read(text).has_errors


def test_bytes_that_are_none_are_an_error() -> None:
    reading = read("write_files: [{path: /etc/x, content: !!binary '!'}]")
    assert "invalid base64" in str(reading.findings[0])
    assert not reading.document.write_files


def test_a_drop_in_with_another_suffix_is_left_out() -> None:
    reading = read("coreos: {units: [{name: a.service, drop_ins: [{name: x.txt}]}]}")
    assert 'drop-in name "x.txt" does not end in .conf' in str(reading.findings[0])
    assert reading.document.coreos.units[0].drop_ins == ()


def test_a_mode_that_is_not_understood_hides_the_file() -> None:
    (file,) = read("write_files: [{path: /etc/x, permissions: [0600]}]").document.write_files
    assert file.permissions == 0o600


def test_a_user_with_one_wrong_value_can_still_log_in() -> None:
    text = "users: [{name: a, shell: 'bash', ssh_authorized_keys: [k]}]"
    (user,) = read(text).document.users
    assert (user.shell, user.ssh_authorized_keys) == ("", ("k",))


def test_a_unit_with_an_unknown_command_is_written_and_not_started() -> None:
    (unit,) = read(
        "coreos: {units: [{name: a.service, command: run, content: x}]}"
    ).document.coreos.units
    assert (unit.command, unit.content) == ("", "x")


def test_options_are_text_as_they_go_into_an_environment() -> None:
    text = """\
coreos:
  update: {reboot-strategy: etcd-lock, group: stable, server: ""}
  etcd2: {name: node1, debug: on, client-cert-auth: no, election_timeout: 0x10}
  fleet: {etcd_request_timeout: 3.0, verbosity: 1, metadata: "a=b,c=d"}
  flannel: {interface: eth0}
  locksmith: {window_start: "Thu 04:00", window_length: 1h}
  oem: {id: qemu, version-id: 1.10}
"""
    coreos = document(text).coreos
    assert coreos.update == {"reboot_strategy": "etcd-lock", "group": "stable"}
    assert coreos.etcd2 == {
        "name": "node1",
        "debug": "true",
        "client_cert_auth": "false",
        "election_timeout": "16",
    }
    assert coreos.fleet == {
        "etcd_request_timeout": "3.0",
        "verbosity": "1",
        "metadata": "a=b,c=d",
    }
    assert coreos.flannel == {"interface": "eth0"}
    assert coreos.locksmith == {"window_start": "Thu 04:00", "window_length": "1h"}
    assert coreos.oem == {"id": "qemu", "version_id": "1.10"}


def test_what_coreos_cloudinit_did_not_have() -> None:
    text = """\
timezone: Europe/Berlin
ntp: {servers: [ntp.example.com], fallback-servers: [192.0.2.1], enabled: true}
network: {units: [{name: 10-x.network, content: "[Match]"}]}
podman: {quadlets: [{name: web.container, content: "[Container]", start: no}]}
storage:
  filesystems:
    - {device: /dev/disk/by-id/x, format: vfat, label: data, path: /var/data, options: [noatime]}
    - {device: /dev/vdb}
"""
    said = document(text)
    assert said.timezone == "Europe/Berlin"
    assert said.ntp == Ntp(("ntp.example.com",), ("192.0.2.1",))
    assert said.network == (NamedText("10-x.network", 3, "[Match]"),)
    assert said.quadlets == (NamedText("web.container", 4, "[Container]", start=False),)
    assert said.filesystems == (
        Filesystem("/dev/disk/by-id/x", 7, "vfat", "data", "/var/data", ("noatime",)),
        Filesystem("/dev/vdb", 8),
    )


@pytest.mark.parametrize(
    "text",
    [
        "timezone: ../../etc/passwd",
        "hostname: 'a b'",
        "users: [{name: -rf}]",
        "users: [{name: 'a:b'}]",
        "users: [{name: a, groups: ['x,y z']}]",
        'users: [{name: a, gecos: "a\\nb"}]',
        "coreos: {units: [{name: ../x.service}]}",
        "coreos: {units: [{name: x.service, drop_ins: [{name: ../y.conf}]}]}",
        "network: {units: [{name: a.service, content: x}]}",
        "podman: {quadlets: [{name: ../a.container, content: x}]}",
        "storage: {filesystems: [{device: /etc/x}]}",
        "storage: {filesystems: [{device: /dev/../etc/x}]}",
        "storage: {filesystems: [{device: /dev/vdb, path: /usr/x}]}",
        "storage: {filesystems: [{device: /dev/vdb, path: /var}]}",
        "storage: {filesystems: [{device: /dev/vdb, options: ['a,b c']}]}",
        "storage: {filesystems: [{device: /dev/vdb, format: vfat, label: longerthaneleven}]}",
        'ntp: {servers: ["a b"]}',
        'coreos: {oem: {name: "a\\0b"}}',
        "ssh_authorized_keys: ['-----BEGIN OPENSSH PRIVATE KEY-----']",
    ],
)
def test_a_value_that_could_do_harm_is_an_error_and_left_out(text: str) -> None:
    reading = read(text)
    assert reading.has_errors
    said = repr(reading.document)
    assert ".." not in said
    assert "PRIVATE" not in said


def test_keys_are_lines_each_once() -> None:
    said = document(f'ssh_authorized_keys: ["{KEY}", "{KEY}\\n{OTHER}\\n", " {OTHER} "]')
    assert said.ssh_authorized_keys == (KEY, OTHER)


def test_coreos_has_a_place_for_each_of_its_tables() -> None:
    slots = set(Document().coreos.__dataclass_fields__)
    assert {key.name for key in COREOS.keys} - {"etcd"} == slots - {"lines"}


def test_errors_are_kept_when_there_are_too_many_findings() -> None:
    many = "".join(f"k{number}: 1\n" for number in range(MAX_FINDINGS * 2))
    reading = read(f"{many}manage_etc_hosts: x\n")
    assert len(reading.findings) == MAX_FINDINGS + 1
    assert reading.has_errors


def test_lines_are_counted_from_where_the_text_begins() -> None:
    reading: Reading = read("hostname: a\nbad: 1\n", first_line=11)
    assert [(finding.line, finding.level) for finding in reading.findings] == [(12, Level.WARNING)]


def test_a_document_prints_no_password() -> None:
    said = repr(document("users: [{name: a, passwd: '$6$salt$hash'}]"))
    assert "hash" not in said


def every_leaf(shape: Fields) -> list[Leaf]:
    found: list[Leaf] = []
    for key in shape.keys:
        inner = key.shape.item if isinstance(key.shape, Items) else key.shape
        found += [inner] if isinstance(inner, Leaf) else every_leaf(inner)
    return found


def test_every_pattern_holds_the_whole_value() -> None:
    for leaf in every_leaf(COREOS):
        assert not leaf.pattern or (leaf.pattern[:2], leaf.pattern[-2:]) == (r"\A", r"\Z")
