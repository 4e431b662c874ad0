"""User data in every form it comes in."""

import base64
import gzip
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from cloud_config.document.budget import MAX_BYTES, Budget
from cloud_config.document.interpreting import Interpretation, interpret
from cloud_config.document.substitution import SAMPLES, substitute
from cloud_config.document.userdata import IGNITION, PartKind, classify

DOCUMENT = b"#cloud-config\nhostname: a\n"


def request(data: bytes) -> Interpretation:
    return interpret(data, SAMPLES)


def complaint(data: bytes) -> str:
    (finding,) = request(data).findings
    return str(finding)


@pytest.mark.parametrize(
    "data",
    [
        DOCUMENT,
        b"#cloud-config  \t\r\nhostname: a\r\n",
        b"\xef\xbb\xbf" + DOCUMENT,
        gzip.compress(DOCUMENT),
        gzip.compress(gzip.compress(DOCUMENT)),
    ],
)
def test_a_document_is_found(data: bytes) -> None:
    assert request(data).document.hostname == "a"
    assert not request(data).findings


@pytest.mark.parametrize("data", [b"#!/bin/sh\ntrue\n", gzip.compress(b"#!/bin/sh\ntrue\n")])
def test_a_script_is_found(data: bytes) -> None:
    assert request(data).scripts == (b"#!/bin/sh\ntrue\n",)


def test_nothing_asks_for_nothing() -> None:
    assert request(b"") == Interpretation(request(b"").document)


@pytest.mark.parametrize(
    "data", [b"{}", b"hostname: a\n", b"#cloud-configs\n", b" #cloud-config\n", b"\x00\x01"]
)
def test_other_data_is_an_error(data: bytes) -> None:
    assert complaint(data) == 'line 1: error: must be "#cloud-config" or begin with "#!"'


@pytest.mark.parametrize(
    "data",
    [
        b'{"ignition": {"version": "3.4.0"}}',
        b'\n  {"ignitionVersion": 1}',
        gzip.compress(b'{"ignition": {}}'),
    ],
)
def test_ignition_is_refused_with_a_hint(data: bytes) -> None:
    assert complaint(data) == f"line 1: error: {IGNITION}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1f\x8b\x08", "gzip is damaged or holds more than 1048576 bytes"),
        (gzip.compress(bytes(MAX_BYTES + 1)), "gzip is damaged or holds more than"),
        (gzip.compress(DOCUMENT)[:-4], "gzip is damaged or holds more than"),
        (b"#" * (MAX_BYTES + 1), "user data is larger than 1048576 bytes"),
        (DOCUMENT + b"\xff", "document is not UTF-8"),
    ],
)
def test_damaged_or_oversized_data_is_an_error(data: bytes, message: str) -> None:
    assert f"error: {message}" in complaint(data)


def test_packing_without_end_is_refused() -> None:
    data = DOCUMENT
    for _ in range(6):
        data = gzip.compress(data)
    assert "packed too often" in complaint(data)


def message(*parts: MIMEBase) -> bytes:
    whole = MIMEMultipart()
    for part in parts:
        whole.attach(part)
    return whole.as_bytes()


def packed_part(kind: str, content: bytes) -> MIMEBase:
    part = MIMEBase("application", kind)
    part.set_payload(base64.encodebytes(content).decode())
    part.add_header("Content-Transfer-Encoding", "base64")
    return part


def test_a_message_has_its_parts_in_order() -> None:
    data = message(
        MIMEText("hostname: first\nntp: {servers: [a]}\n", "cloud-config", "us-ascii"),
        MIMEText("#!/bin/sh\necho $public_ipv4\n", "x-shellscript"),
        MIMEText("#cloud-config\nhostname: second\ntimezone: UTC\n", "plain", "us-ascii"),
        packed_part("gzip", gzip.compress(b"#cloud-config\nusers: [{name: a}]\n")),
    )
    found = request(data)
    assert not found.findings
    assert found.scripts == (b"#!/bin/sh\necho 192.0.2.1\n",)
    assert (found.document.hostname, found.document.timezone) == ("first", "UTC")
    assert found.document.users[0].name == "a"


def test_findings_in_a_message_have_the_line_of_the_whole_file() -> None:
    data = message(
        MIMEText("#cloud-config\nhostname: a\n", "cloud-config", "us-ascii"),
        MIMEText("#cloud-config\nhostname: b\nbad: 1\n", "cloud-config", "us-ascii"),
    )
    (finding,) = request(data).findings
    assert data.splitlines()[finding.line - 1] == b"bad: 1"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_message_may_begin_with_other_headers(newline: str) -> None:
    lines = [
        "MIME-Version: 1.0",
        "Content-Type: MULTIPART/mixed;",
        ' boundary="b"',
        "",
        "--b",
        "Content-Type: text/cloud-config",
        "",
        "#cloud-config",
        "hostname: a",
        "--b",
        "",
        "#!/bin/sh",
        "true",
        "--b--",
        "",
    ]
    found = request(newline.join(lines).encode())
    assert (found.document.hostname, found.findings) == ("a", ())
    assert found.scripts == (f"#!/bin/sh{newline}true".encode(),)


def test_an_unknown_part_is_told_and_the_others_count() -> None:
    data = message(MIMEText("<p>", "html"), MIMEText("#cloud-config\nhostname: a\n", "plain"))
    found = request(data)
    assert found.document.hostname == "a"
    assert 'part of type "text/html" is not known' in str(found.findings[0])


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Type: multipart/mixed; boundary=a\n\nno boundary\n",
        b"Content-Type: multipart/mixed\n\n--a\n",
        message(*[MIMEText("#!x", "plain", "us-ascii") for _ in range(65)]),
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 6,
    ],
)
def test_a_message_that_cannot_be_read_is_an_error(data: bytes) -> None:
    assert "multipart message" in complaint(data)


def test_a_damaged_part_does_not_take_the_others_with_it() -> None:
    damaged = message(packed_part("gzip", b"x"), MIMEText("#!/bin/sh", "plain", "us-ascii"))
    found = request(damaged.replace(b"eA==", b"eA="))
    assert found.scripts == (b"#!/bin/sh",)
    assert "part of the multipart message is no base64" in str(found.findings[0])


def test_quoted_printable_is_undone() -> None:
    part = MIMEBase("text", "plain")
    part.set_payload("#cloud-config\nhostname: =61\n")
    part.add_header("Content-Transfer-Encoding", "quoted-printable")
    assert request(message(part)).document.hostname == "a"


def test_parts_that_unpack_to_too_much_are_refused() -> None:
    bomb = packed_part("gzip", gzip.compress(b"#!" + bytes(MAX_BYTES - 2)))
    found = classify(message(bomb, bomb, bomb), Budget())
    assert [part.kind for part in found.parts] == [PartKind.SCRIPT] * 2
    assert "holds more than" in found.findings[0].message


def test_an_address_takes_the_place_of_its_name() -> None:
    text = b"a $private_ipv4:1 ${x} $private_ipv6$public_ipv4 $public_ipv4s $private"
    assert substitute(text, SAMPLES) == (
        b"a 198.51.100.1:1 ${x} 2001:db8::2192.0.2.1 192.0.2.1s $private",
        {},
    )


def test_a_backslash_keeps_a_name_as_it_is() -> None:
    assert substitute(rb"\$private_ipv4", SAMPLES)[0] == b"$private_ipv4"


def test_an_unknown_address_becomes_nothing_and_is_told_once_by_name() -> None:
    data = b"#cloud-config\n# $public_ipv4\n# $private_ipv6 $public_ipv4\n"
    found = interpret(data, {"private_ipv6": "2001:db8::1"})
    assert [str(finding) for finding in found.findings] == [
        "line 2: warning: $public_ipv4 is not known on this machine and becomes empty"
    ]
    assert found.missing_addresses == {"public_ipv4"}


def test_what_is_no_address_is_not_pasted_into_a_document() -> None:
    found = interpret(b"#cloud-config\nhostname: $public_ipv4\n", {"public_ipv4": "a\nusers: []"})
    assert found.document.hostname == ""
    assert found.missing_addresses == {"public_ipv4"}
