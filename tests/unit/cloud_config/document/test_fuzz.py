"""No user data makes the reader crash; what it takes at most is tested in tests/fault."""

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_config.document.findings import MAX_FINDINGS
from cloud_config.document.interpreting import Interpretation, interpret

BREAKS = re.compile(b"\n|\r|\xc2\x85|\xe2\x80[\xa8\xa9]")  # as YAML counts lines
HEADER = b"#cloud-config\n"

EXAMPLE = b"""\
#cloud-config
hostname: node-$private_ipv4
ssh_authorized_keys:
  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFRjmU2HJm1gd3uHjFrrRMxJP7jH37RHYukDk+VK1HT core@example
users:
  - &a {name: elroy, passwd: "$6$a$b", groups: [sudo], system: yes}
  - {<<: *a, name: judy, shell: /bin/bash}
write_files:
  - path: /etc/motd
    permissions: 0644
    owner: core:core
    content: |
      Hello \\$public_ipv4
  - {path: /etc/b, encoding: gz+b64, content: H4sIAOC3tVQAA8tIzcnJ5wIAIDA6NgYAAAA=}
coreos:
  update: {reboot-strategy: off, group: stable}
  locksmith: {window-start: "Thu 04:00", window-length: 1h30m}
  etcd2: {name: n1, discovery: "https://discovery.etcd.io/x", election_timeout: 1_000}
  fleet: {metadata: "a=b", etcd_request_timeout: 2.5}
  units:
    - name: a.service
      command: start
      content: "[Service]\\nExecStart=/bin/true\\n"
      drop-ins: [{name: 10-a.conf, content: !!binary aGVsbG8K}]
timezone: Europe/Berlin
ntp: {servers: [ntp.example.com]}
storage: {filesystems: [{device: /dev/vdb, path: /var/data}]}
"""
PIECES = [
    b"\n", b"\n  ", b"- ", b": ", b"? ", b"[", b"]", b"{", b"}", b",", b"&a ", b"*a", b"<<: ",
    b"!!", b"!!binary ", b"!", b"|\n", b">-\n", b"'", b'"', b"\\x00", b"\x00", b"\xff",
    b"\xc2\x85", b"#",
    b"---\n", b"...\n", b"%YAML 1.1\n", b"~", b"0777", b"1e999", b"-0x", b"0b1", b"0_", b"\t",
    b"\r", b"users:", b"coreos:", b"write_files:", b"units:", b"$private_ipv4", b"\\$public_ipv6",
    b"Content-Type: multipart/mixed; boundary=a\n\n--a\n", b"\x1f\x8b\x08\x00", b"#!",
    b'{"ignition":',
]  # fmt: skip


def understood(data: bytes) -> Interpretation:
    """Read it; what is said must be about lines that are there."""
    request = interpret(data, {"private_ipv4": "192.0.2.1"})
    lines = len(BREAKS.findall(data)) + 1
    assert len(request.findings) <= MAX_FINDINGS + 1
    for finding in request.findings:
        assert 1 <= finding.line <= lines
        assert "\n" not in finding.message
        assert finding.message.isprintable()
    for file in request.document.write_files:
        assert file.path.startswith(("/etc/", "/var/", "/home/", "/root/", "/run/"))
        assert ".." not in file.path.split("/")
        assert "\0" not in file.path
    return request


def test_the_example_is_correct() -> None:
    assert not understood(EXAMPLE).findings


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_understood_or_refused(data: bytes) -> None:
    understood(data)
    understood(HEADER + data)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)), max_size=40))
def test_pieces_of_documents_are_understood_or_refused(pieces: list[bytes]) -> None:
    understood(HEADER + b"".join(pieces))
    understood(b"".join(pieces))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_damaged_documents_are_understood_or_refused(seed: int, changes: int) -> None:
    chance = random.Random(seed)
    data = bytearray(EXAMPLE)
    for _ in range(changes):
        at = chance.randrange(len(HEADER), len(data))
        end = at + chance.choice((0, 0, 1, 10, 100))
        moved = chance.randrange(len(data))
        data[at:end] = chance.choice((chance.choice(PIECES), bytes(data[moved : moved + 40])))
    understood(bytes(data))
