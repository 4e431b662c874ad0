"""Every path argument of update-mirror, in every way an operator writes a path."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from hostio.system.clock import Clock
from mirror.admission import Announce, Limits, Listen
from mirror.cli import run
from mirror.world import MirrorWorld
from tests.checkout import ROOT
from tests.fakes.clock import StoppedClock
from tests.fakes.repository import built, copied, files, release

Spelling = Callable[[Path], str]


def relative(path: Path) -> str:
    return os.path.relpath(path)


def absolute(path: Path) -> str:
    return str(path)


def trailing_slash(path: Path) -> str:
    return f"{os.path.relpath(path)}/"


def with_dots(path: Path) -> str:
    return f"./{path.parent.name}/../{os.path.relpath(path)}//."


def by_a_link(path: Path) -> str:
    link = path.parent / f"link to {path.name}"
    if not link.is_symlink():
        link.symlink_to(path.name)
    return os.path.relpath(link)


SPELLINGS: list[Spelling] = [relative, absolute, trailing_slash, with_dots, by_a_link]


def mirror(*arguments: str, clock: Clock | None = None) -> int:
    def serve(repository: Path, listen: Listen, announce: Announce, limits: Limits) -> None:
        del listen, limits
        assert (repository / "metadata").is_dir()
        announce("http://127.0.0.1:8080")

    return run(arguments, MirrorWorld(clock or StoppedClock(), copied, serve))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a blank in its name, and two built releases."""
    directory = tmp_path / "my work"
    (directory / "my work").mkdir(parents=True)  # with_dots goes through it
    monkeypatch.chdir(directory)
    for version in ("1.0.0", "1.0.1"):
        built(directory / "out" / version, release(version), b"payload")
    return directory


@pytest.mark.parametrize("name", ["my-repo", "my repo", "a;b&c%20d", "räpo"])
@pytest.mark.parametrize("spelled", SPELLINGS, ids=lambda one: one.__name__)
def test_a_repository_is_one_thing_however_it_is_named(
    place: Path, name: str, spelled: Spelling
) -> None:
    plain = place / name
    repository = spelled(plain)
    keys = [
        word
        for number in (1, 2)
        for word in ("--key", f"file:{os.path.relpath(plain)}.keys/targets-{number}.pem")
    ]
    if spelled is by_a_link:
        plain.mkdir()
    assert mirror("init", repository, "--threshold", "2", "--keys", "3") == 0
    assert (place / f"{name}.keys" / "online.pem").is_file()
    assert mirror("publish", repository, spelled(place / "out" / "1.0.0"), *keys) == 0
    assert mirror("publish", str(plain), spelled(place / "out" / "1.0.1"), *keys) == 0
    assert mirror("refresh", repository) == 0
    assert mirror("status", repository) == 0
    assert mirror("serve", repository) == 0
    names = [path for path in files(plain) if path.endswith(".payload")]
    assert len(names) == 2
    assert all(
        re.fullmatch(r"targets/minimal/x86_64/uefi/1\.0\.[01]/\w{64}\.full\.payload", path)
        for path in names
    )


@pytest.mark.parametrize("spelled", SPELLINGS, ids=lambda one: one.__name__)
def test_keys_are_found_however_they_are_named(place: Path, spelled: Spelling) -> None:
    if spelled is by_a_link:
        (place / "my keys").mkdir()
    keys = spelled(place / "my keys")
    assert mirror("init", "repo", "--threshold", "1", "--keys", "1", "--key-dir", keys) == 0
    named = [
        spelled(place / "my keys" / f"{role}.pem").rstrip("/.") for role in ("targets-1", "online")
    ]
    if spelled is with_dots:
        named = [name.removesuffix(".pem") + ".pem" for name in named]
    release_key, online = (f"file:{name}" for name in named)
    arguments = ["publish", "repo", "out/1.0.0", "--key", release_key, "--online-key", online]
    assert mirror(*arguments) == 0


def test_a_key_may_be_named_by_a_url(place: Path) -> None:
    assert mirror("init", "my repo", "--threshold", "1", "--keys", "1") == 0
    key = (place / "my repo.keys" / "targets-1.pem").as_uri()
    assert "%20" in key
    assert mirror("publish", "my repo", "out/1.0.0", "--key", key) == 0


def test_a_repository_with_its_keys_beside_a_link_goes_on(place: Path) -> None:
    assert mirror("init", "repo", "--threshold", "1", "--keys", "1") == 0
    (place / "elsewhere").mkdir()
    (place / "repo").rename(place / "elsewhere" / "data")
    (place / "repo").symlink_to("elsewhere/data")
    assert mirror("refresh", "repo") == 0


@pytest.mark.parametrize("key_directory", ["repo/keys", "repo", "link/keys", "./repo/../repo/x"])
def test_no_key_is_made_where_it_would_be_served(place: Path, key_directory: str) -> None:
    (place / "repo").mkdir()
    (place / "link").symlink_to("repo")
    arguments = ["init", "repo", "--threshold", "1", "--keys", "1", "--key-dir", key_directory]
    assert mirror(*arguments) == 2
    assert not list((place / "repo").iterdir())


# --- the commands of the documentation ------------------------------------------


def commands_of(document: Path) -> list[list[str]]:
    """Each ``update-mirror`` command of a document, as a shell would split it."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    found = [shlex.split(line, comments=True) for line in lines]
    return [
        words[1:] for words in found if words and words[0].rpartition("/")[2] == "update-mirror"
    ]


@pytest.mark.parametrize("name", ["README.md", "docs/usage/mirror.md"])
def test_the_commands_of_the_documentation_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run in their order, in an empty directory that stands for the root as well."""
    monkeypatch.chdir(tmp_path)
    found = commands_of(ROOT / name)
    assert {words[0] for words in found} >= {"init", "publish", "serve"}
    keys = iter(range(1, 100))
    for words in found:
        here = [word.replace("/srv/", "srv/") for word in words]
        # Where the text leaves the choice of keys to the reader.
        arguments = [
            f"file:{here[1]}.keys/targets-{next(keys)}.pem" if word == "file:KEY" else word
            for word in here
        ]
        if arguments[0] == "publish":
            version = arguments[2].rpartition("-")[2]
            built(Path(arguments[2]), release(version), b"payload")
        assert mirror(*arguments) == 0, words
