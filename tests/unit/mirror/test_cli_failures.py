"""update-mirror driven into its failures: one line each, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess  # noqa: TID251 - streams and signals of a process are what is tested
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hostio.system.clock import SystemClock
from tests.checkout import ROOT
from tests.fakes.payloads import small_release, unsigned
from tests.fakes.repository import built, release
from tests.unit.mirror.test_cli_paths import mirror

PROGRAM = "import sys; from mirror.cli import main; sys.exit(main())"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a repository, a release and things that are neither."""
    monkeypatch.chdir(tmp_path)
    arguments = ("init", "repo", "--threshold", "1", "--keys", "1")
    assert mirror(*arguments, clock=SystemClock()) == 0
    built(tmp_path / "built", release("1.0.0"), b"payload" * 1000)
    (tmp_path / "file").write_bytes(b"\0")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "empty").mkdir()
    return tmp_path


ODD = [
    "missing",
    "file",
    "file/below",
    "loop",
    "loop/below",
    "dangling",
    "empty",
    "a" * 300,
    "",
    "/",
]
NOT_UTF8 = "\udcff"
KEY = ("--key", "file:repo.keys/targets-1.pem")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "command",
    [
        ("init", "ODD", "--threshold", "1", "--keys", "1"),
        ("init", "new", "--threshold", "1", "--keys", "1", "--key-dir", "ODD"),
        ("publish", "ODD", "built", *KEY),
        ("publish", "repo", "ODD", *KEY),
        ("publish", "repo", "built", "--key", "file:ODD"),
        ("publish", "repo", "built", "--key", "ODD"),
        ("publish", "repo", "built", *KEY, "--online-key", "file:ODD"),
        ("refresh", "ODD"),
        ("refresh", "repo", "--online-key", "file:ODD"),
        ("status", "ODD"),
    ],
    ids=" ".join,
)
def test_no_path_ends_in_a_traceback(
    place: Path, command: Sequence[str], odd: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del place
    capsys.readouterr()
    words = (word.replace("ODD", odd) for word in command)
    status = mirror(*words, clock=SystemClock())
    said = capsys.readouterr().err
    assert status in {0, 2, 3, 74, 75}
    assert len(said.splitlines()) <= 3
    assert bool(said) or status == 0


@pytest.mark.parametrize("odd", [one for one in [*ODD, NOT_UTF8] if one != ""])
def test_what_is_no_repository_is_not_served(place: Path, odd: str) -> None:
    del place
    done = process(
        "serve", odd.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    )
    assert done.returncode in {2, 74}
    assert len(done.stderr.splitlines()) <= 2


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "list": lambda _: b"[]",
    "other role": None,
    "no roles": lambda content: edited(content, "roles", {}),
    "no keys": lambda content: edited(content, "keys", {}),
    "no meta": lambda content: edited(content, "meta", {}),
    "wrong type": lambda content: edited(content, "version", "1"),
}


def edited(content: bytes, key: str, value: object) -> bytes:
    document = json.loads(content)
    document["signed"][key] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name", ["1.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
)
def test_a_damaged_repository_is_named_and_left_alone(
    place: Path, name: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / "repo" / "metadata" / name
    change = DAMAGE[damage]
    other = path.with_name("1.targets.json" if name != "1.targets.json" else "1.root.json")
    path.write_bytes(other.read_bytes() if change is None else change(path.read_bytes()))
    for command in (("status", "repo"), ("refresh", "repo"), ("publish", "repo", "built", *KEY)):
        capsys.readouterr()
        assert mirror(*command, clock=SystemClock()) == 3
        said = capsys.readouterr().err
        assert f"repo/metadata/{name}" in said
        assert len(said.splitlines()) == 1


# --- a real process -----------------------------------------------------------------


def process(
    *arguments: str, before: str = "", stdout: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", before + PROGRAM, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("largest", [0, 700, 1500, 3000])
def test_a_full_disk_under_the_repository_is_said_and_harms_nothing(
    place: Path, largest: int
) -> None:
    small = small_release("1.0.1")
    built(place / "built", small.release, unsigned(small))
    # A limit on the size of files fails a write as a full disk does.
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, {largest}));"
    done = process("publish", "repo", "built", *KEY, before=limit)
    assert done.returncode in {0, 74}
    assert len(done.stderr.splitlines()) == (1 if done.returncode else 0)
    assert mirror("status", "repo", clock=SystemClock()) == 0
    assert mirror("publish", "repo", "built", *KEY, clock=SystemClock()) == 0
    assert not list((place / "repo").rglob(".*"))


@pytest.mark.parametrize(
    "verb", [("status", "repo"), ("refresh", "repo"), ("status", "repo", "--json")]
)
def test_output_to_a_full_disk_is_said_in_one_line(place: Path, verb: Sequence[str]) -> None:
    del place
    with Path("/dev/full").open("wb") as full:
        done = process(*verb, stdout=full.fileno())
    assert done.returncode == 74
    assert done.stderr == "update-mirror: standard output: No space left on device\n"


def test_a_closed_pipe_is_no_news(place: Path) -> None:
    del place
    read, write = os.pipe()
    os.close(read)
    done = process("status", "repo", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_terminal_of_ascii_shows_any_name(place: Path) -> None:
    (place / "repo").rename(place / "räpo")
    (place / "repo.keys").rename(place / "räpo.keys")
    for command in (
        ("status", "räpo"),
        ("publish", "räpo", "ö", *KEY),
        ("init", NOT_UTF8, "--threshold", "1", "--keys", "1"),
    ):
        done = process(*command, PYTHONIOENCODING="ascii", LC_ALL="C")
        assert "Traceback" not in done.stderr


def test_an_interrupted_command_says_so_in_one_line(place: Path) -> None:
    del place
    os.mkfifo("built/pipe")
    (Path("built/full.payload")).unlink()
    Path("built/pipe").rename("built/full.payload")  # the command waits for its other end
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "publish", "repo", "built", *KEY],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    writer = os.open("built/full.payload", os.O_WRONLY)  # returns when it has begun to read
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    os.close(writer)
    assert (started.returncode, said) == (130, "update-mirror: interrupted\n")
