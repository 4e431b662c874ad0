"""The command update-mirror, and what it serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mirror.admission import Announce, Limits, Listen
from mirror.cli import parser, run
from mirror.world import MirrorWorld
from osmodel.faults import InvalidInput
from tests.fakes.clock import StoppedClock
from tests.fakes.repository import built, copied, release


class Mirror:
    """Runs the command in a world of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.repository = directory / "mirror"
        self.clock = StoppedClock()
        self.served: list[tuple[Path, Listen]] = []

    def __call__(self, *arguments: object) -> int:
        return run(
            [str(argument) for argument in arguments], MirrorWorld(self.clock, copied, self.serve)
        )

    def serve(self, repository: Path, listen: Listen, announce: Announce, limits: Limits) -> None:
        del limits
        self.served.append((repository, listen))
        announce("http://127.0.0.1:8080")

    def keys(self, count: int) -> list[str]:
        uris = [f"file:{self.repository}.keys/targets-{n}.pem" for n in range(1, count + 1)]
        return [word for uri in uris for word in ("--key", uri)]

    def release(self, version: str) -> Path:
        return built(self.directory / version, release(version), version.encode())


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path)


@contextmanager
def one_line_of_json(capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, Any]]:
    capsys.readouterr()
    answer: dict[str, Any] = {}
    yield answer
    (line,) = capsys.readouterr().out.splitlines()
    answer.update(json.loads(line))


def test_from_nothing_to_a_published_release(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mirror("init", mirror.repository, "--threshold", 2, "--keys", 3) == 0
    assert f"--trust-root): {mirror.repository}/metadata/1.root.json" in capsys.readouterr().out
    assert mirror("publish", mirror.repository, mirror.release("1.0.1"), *mirror.keys(2)) == 0
    assert capsys.readouterr().out == "published minimal 1.0.1 (x86_64), 5 bytes\n"
    assert mirror("publish", mirror.repository, mirror.release("1.0.1"), *mirror.keys(2)) == 0
    assert capsys.readouterr().out == "minimal 1.0.1 (x86_64) is published\n"
    assert mirror("status", mirror.repository) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["minimal", "x86_64", "uefi", "1.0.1", "5", "bytes"]
    assert [line.split()[0] for line in shown[1:]] == ["root", "targets", "snapshot", "timestamp"]


def test_machines_get_one_line_of_json(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    with one_line_of_json(capsys) as made:
        mirror("init", mirror.repository, "--threshold", 2, "--keys", 3, "--json")
    assert made["trust_root"] == str(mirror.repository / "metadata" / "1.root.json")
    assert [len(made["keys"][role]) for role in ("root", "targets", "timestamp")] == [3, 3, 1]
    built_release = mirror.release("1.0.1")
    with one_line_of_json(capsys) as published:
        mirror("publish", mirror.repository, built_release, *mirror.keys(2), "--json")
    assert (published["image"], published["version"], published["size"]) == ("minimal", "1.0.1", 5)
    assert published["changed"] is True
    with one_line_of_json(capsys) as refreshed:
        mirror("refresh", mirror.repository, "--json")
    assert refreshed == {"signed": ["snapshot", "timestamp"]}
    with one_line_of_json(capsys) as status:
        mirror("status", mirror.repository, "--json")
    (offer,) = status["releases"]
    assert offer["version"] == "1.0.1"
    assert offer["root_hash"] == "ab" * 32
    assert status["warnings"] == []


def test_a_fault_is_one_line_and_an_exit_status(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror("init", mirror.repository, "--threshold", 2, "--keys", 3)
    capsys.readouterr()
    status = mirror("publish", mirror.repository, mirror.release("1.0.1"), *mirror.keys(1))
    assert status == InvalidInput.exit_status
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "update-mirror: role targets needs 2 of 3 keys, 1 given: 1 missing",
        "  name each with --key file:PATH",
    ]


def test_root_may_have_other_numbers_than_targets(mirror: Mirror) -> None:
    mirror(
        *("init", mirror.repository, "--threshold", 1, "--keys", 2),
        *("--root-threshold", 3, "--root-keys", 5, "--expires", "timestamp=1"),
        *("--key-dir", mirror.directory / "safe"),
    )
    assert len(list((mirror.directory / "safe").glob("root-*.pem"))) == 5
    root = json.loads((mirror.repository / "metadata" / "1.root.json").read_bytes())["signed"]
    assert root["roles"]["root"]["threshold"] == 3
    assert root["roles"]["targets"]["threshold"] == 1


def test_a_single_signer_is_visibly_for_development(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror("init", mirror.repository, "--threshold", 1, "--keys", 1)
    assert "for development only" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["7", "timestamp", "timestamp=", "timestamp=x", "mirror=7"])
def test_an_unreadable_expiry_is_explained(
    mirror: Mirror, days: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("init", mirror.repository, "--threshold", 1, "--keys", 1, "--expires", days)
    assert mirror(*arguments) == InvalidInput.exit_status
    assert "expire" in capsys.readouterr().err
    assert not mirror.repository.exists()


def test_serving_tells_its_address_on_one_line(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror("init", mirror.repository, "--threshold", 1, "--keys", 1)
    capsys.readouterr()
    mirror("serve", mirror.repository, "--listen", "[::1]:8080")
    assert capsys.readouterr().out == "http://127.0.0.1:8080\n"
    assert mirror.served == [(mirror.repository, Listen("::1", 8080))]
    with one_line_of_json(capsys) as announced:
        mirror("serve", mirror.repository, "--json")
    assert announced == {"event": "serving", "url": "http://127.0.0.1:8080"}
    assert mirror.served[1][1] == Listen("127.0.0.1", 0)


@pytest.mark.parametrize("listen", ["8080", ":8080", "host:", "host:x", "host:65536", "host:-1"])
def test_an_address_that_cannot_be_is_explained(listen: str) -> None:
    with pytest.raises(InvalidInput, match="cannot listen on"):
        Listen.parse(listen)


def test_every_verb_explains_itself() -> None:
    text = parser().format_help()
    for verb in ("init", "publish", "refresh", "status", "serve"):
        assert verb in text
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["publish", "--help"])
    assert ended.value.code == 0
