"""``cloud-config apply``: a file, standard input, or what was applied last."""

import io
import json
from pathlib import Path

import pytest

from cloud_config.apply.instance import stored_instance, stored_user_data
from cloud_config.cli import parser
from cloud_config.commands import apply
from osmodel.faults import InvalidInput
from tests.fakes.cloudmachine import CloudMachine

DOCUMENT = b"#cloud-config\nwrite_files: [{path: /etc/app, content: secret}]\n"


def applied(machine: CloudMachine, *words: str) -> tuple[int, str]:
    out = io.StringIO()
    options = parser().parse_args(["apply", *words])
    return apply.run(options, machine.world, out), out.getvalue()


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "document"
    path.write_bytes(DOCUMENT)
    return str(path)


def test_a_file_is_applied(document: str) -> None:
    machine = CloudMachine()
    assert applied(machine, document)[0] == 0
    assert machine.tree.leaves["/etc/app"].content == b"secret"
    assert stored_user_data(machine.world) == DOCUMENT
    assert stored_instance(machine.world).source == document


def test_what_was_applied_last_is_applied_again(document: str) -> None:
    machine = CloudMachine()
    applied(machine, document, "--instance-id", "i-7")
    del machine.tree.leaves["/etc/app"]
    ended, text = applied(machine, "--json")
    assert ended == 0
    assert machine.tree.leaves["/etc/app"].content == b"secret"
    assert json.loads(text)["instance_id"] == "i-7"


def test_without_anything_to_apply_it_says_so() -> None:
    with pytest.raises(InvalidInput, match="no user data were applied before"):
        applied(CloudMachine())
    with pytest.raises(InvalidInput, match="No such file"):
        applied(CloudMachine(), "/nowhere/to/be/found")


def test_errors_decide_the_exit_status(tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_text("#cloud-config\nwrite_files: [{path: /usr/x, content: secret}]\n")
    ended, text = applied(CloudMachine(), str(path), "-v")
    assert ended == 1
    assert text.startswith("degraded\n")
    assert "secret" not in text


@pytest.mark.parametrize("bytes_", [b"", b"\xff\xfe", b"#cloud-config\n{", b"hello", b"\x1f\x8bx"])
def test_no_user_data_are_too_odd(tmp_path: Path, bytes_: bytes) -> None:
    path = tmp_path / "document"
    path.write_bytes(bytes_)
    machine = CloudMachine()
    before = dict(machine.tree.leaves)
    applied(machine, str(path))
    left = {
        path: leaf
        for path, leaf in machine.tree.leaves.items()
        if not path.startswith("/var/lib/cloud-config/")
    }
    assert left == before
