"""Settings from drop-in files: found, merged, and taken leniently or strictly."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hostio.files.dropins import Fragment, Merged, Severity, read_drop_ins
from osmodel.faults import InvalidInput


@dataclass(frozen=True, slots=True)
class Window:
    days: tuple[str, ...] = ()
    start: str = ""

    def __post_init__(self) -> None:
        if bool(self.start) != bool(self.days):
            raise InvalidInput("days and start belong together")


@dataclass(frozen=True, slots=True)
class Lock:
    places: int = 1

    def __post_init__(self) -> None:
        if self.places < 1:
            raise InvalidInput(f"places: must be at least 1, got {self.places}")


@dataclass(frozen=True, slots=True)
class Peer:
    host: str
    port: int = 80


@dataclass(frozen=True, slots=True)
class Settings:
    enabled: bool = True
    lock: Lock = field(default_factory=Lock)
    window: Window = field(default_factory=Window)
    groups: Mapping[str, Lock] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()
    name: str | None = None


USR, ETC, RUN = (f"{root}/thing/config.d" for root in ("usr/lib", "etc", "run"))


def read(root: Path, files: Mapping[str, str | bytes] = {}) -> Merged[Settings]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_drop_ins(Settings, "thing", root=root)


def complaints(found: Merged[Settings], root: Path) -> list[str]:
    return [problem.text.removeprefix(f"{root}/") for problem in found.problems]


def test_no_files_are_all_defaults(tmp_path: Path) -> None:
    found = read(tmp_path).strict()
    assert (found.values, found.origins, found.problems) == (Settings(), {}, ())


def test_names_decide_the_order_and_directories_replace(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            f"{USR}/10-a.toml": "[lock]\nplaces = 2\n",
            f"{ETC}/10-a.toml": 'name = "etc"\n',
            f"{RUN}/05-b.toml": 'name = "run"\n',
            f"{USR}/20-c.toml": "[lock]\nplaces = 3\n",
            f"{USR}/30-c.conf": "[lock]\nplaces = 4\n",
        },
    ).strict()
    assert (found.values.name, found.values.lock.places) == ("etc", 3)
    assert found.origins == {
        "name": str(tmp_path / ETC / "10-a.toml"),
        "lock.places": str(tmp_path / USR / "20-c.toml"),
    }


def test_a_link_to_dev_null_masks_the_files_below_it_only(tmp_path: Path) -> None:
    for directory in (ETC, RUN):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / ETC / "10-a.toml").symlink_to("/dev/null")
    (tmp_path / RUN / "20-b.toml").symlink_to("/dev/null")
    found = read(
        tmp_path,
        {
            f"{USR}/10-a.toml": "enabled = false\n",
            f"{USR}/20-b.toml": "enabled = false\n",
            f"{RUN}/30-c.toml": 'name = "c"\n',
        },
    ).strict()
    assert found.values == Settings(name="c")


def test_other_sources_take_their_places(tmp_path: Path) -> None:
    path = tmp_path / ETC / "50-m.toml"
    path.parent.mkdir(parents=True)
    path.write_text('name = "m"\nenabled = false\n')
    beside = {"60-n": Fragment("another format", {"name": "n"})}
    above = [Fragment("the command line", {"enabled": True})]
    found = read_drop_ins(Settings, "thing", root=tmp_path, beside=beside, above=above)
    assert found.values == Settings(name="n", enabled=True)
    assert found.origins == {"name": "another format", "enabled": "the command line"}


UNUSABLE = {
    "newer key": ('colour = "red"\n', "colour: unknown key"),
    "newer table": ("[sky]\nblue = true\n", "sky: unknown key"),
    "newer key in a table": ("[lock]\nleash = 3\n", "lock.leash: unknown key"),
    "wrong type": ("enabled = 1\n", "enabled: expected true or false, got 1"),
    "no table": ("lock = 3\n", "lock: expected a table, got 3"),
    "a table for a value": ("[name]\nx = 1\n", "name: expected a string, got {'x': 1}"),
    "refused value": ("[lock]\nplaces = 0\n", "lock.places: must be at least 1, got 0"),
    "in a named table": (
        '[groups."a.b"]\nplaces = "x"\n',
        "groups.\"a.b\".places: expected an integer, got 'x'",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_used_is_left_out_and_told(tmp_path: Path, case: str) -> None:
    text, message = UNUSABLE[case]
    found = read(
        tmp_path,
        {
            f"{USR}/10-a.toml": 'name = "kept"\n[lock]\nplaces = 5\n',
            f"{ETC}/20-b.toml": text,
            f"{ETC}/30-c.toml": "[groups.later]\nplaces = 7\n",
        },
    )
    assert complaints(found, tmp_path) == [f"{ETC}/20-b.toml: {message}"]
    kept = {name: lock for name, lock in found.values.groups.items() if name == "later"}
    assert (found.values.name, found.values.lock.places) == ("kept", 5)
    assert kept == {"later": Lock(7)}
    with pytest.raises(InvalidInput, match=r"20-b\.toml"):
        found.strict()


def test_a_typo_comes_with_a_suggestion(tmp_path: Path) -> None:
    found = read(tmp_path, {f"{ETC}/a.toml": "[lock]\nplace = 3\n"})
    assert found.problems[0].hint == "did you mean 'places'?"


def test_only_what_is_unknown_is_a_warning(tmp_path: Path) -> None:
    text = {f"{ETC}/a.toml": "x = 1\n", f"{ETC}/b.toml": "enabled = 1\n"}
    severities = [problem.severity for problem in read(tmp_path, text).problems]
    assert severities == [Severity.WARNING, Severity.ERROR]


def test_a_directory_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / ETC).parent.mkdir(parents=True)
    (tmp_path / ETC).symlink_to("config.d")
    found = read(tmp_path, {f"{USR}/a.toml": "enabled = false\n"})
    assert not found.values.enabled


def test_an_empty_table_is_an_entry_of_a_mapping(tmp_path: Path) -> None:
    found = read(tmp_path, {f"{ETC}/a.toml": "[groups.x]\n[lock]\n"}).strict()
    assert found.values == Settings(groups={"x": Lock()})


def test_a_refused_value_falls_back_through_every_file(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            f"{USR}/10-a.toml": "[lock]\nplaces = 4\n",
            f"{USR}/20-b.toml": "[lock]\nplaces = 0\n",
            f"{USR}/30-c.toml": "[lock]\nplaces = -1\n",
        },
    )
    assert found.values.lock.places == 4
    assert [problem.text[-5:] for problem in found.problems] == ["ot -1", "got 0"]
    assert found.origins["lock.places"].endswith("10-a.toml")


def test_keys_that_belong_together_may_be_in_two_files(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            f"{USR}/10-a.toml": '[window]\nstart = "04:00"\n',
            f"{ETC}/20-b.toml": '[window]\ndays = ["Thu"]\n',
        },
    )
    assert found.strict().values.window == Window(("Thu",), "04:00")


def test_a_table_that_makes_no_sense_as_a_whole_falls_back_whole(tmp_path: Path) -> None:
    found = read(tmp_path, {f"{ETC}/a.toml": 'name = "x"\n[window]\nstart = "04:00"\n'})
    assert found.values == Settings(name="x")
    assert [problem.text for problem in found.problems] == [
        "settings: window: days and start belong together"
    ]


def test_a_list_of_tables_survives_a_newer_key_in_one_of_them(tmp_path: Path) -> None:
    text = '[[peers]]\nhost = "a"\nspeed = 9\n[[peers]]\nhost = "b"\nport = 81\n'
    found = read(tmp_path, {f"{ETC}/a.toml": text})
    assert found.values.peers == (Peer("a"), Peer("b", 81))
    assert complaints(found, tmp_path) == [f"{ETC}/a.toml: peers[0].speed: unknown key"]


def test_half_a_list_is_no_list(tmp_path: Path) -> None:
    text = '[[peers]]\nhost = "a"\n[[peers]]\nport = 81\n'
    found = read(tmp_path, {f"{USR}/a.toml": '[[peers]]\nhost = "z"\n', f"{ETC}/b.toml": f"{text}"})
    assert found.values.peers == (Peer("z"),)
    assert complaints(found, tmp_path) == [f"{ETC}/b.toml: peers[1].host: missing"]


UNREADABLE = {
    "syntax": (b"[lock\n", "Expected ']'"),
    "encoding": (b"\xff", "not UTF-8 at byte 0"),
    "depth": (b"a = " + b"[" * 50_000, "nested too deeply"),
    "a number": (b"a = " + b"9" * 5_000, "Exceeds the limit"),
    "length": (b"#" * ((1 << 20) + 1), "longer than 1048576 bytes"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_read_costs_no_other(tmp_path: Path, case: str) -> None:
    content, message = UNREADABLE[case]
    found = read(tmp_path, {f"{ETC}/a.toml": content, f"{ETC}/b.toml": "enabled = false\n"})
    assert not found.values.enabled
    assert message in complaints(found, tmp_path)[0]
    with pytest.raises(InvalidInput, match=r"a\.toml"):
        found.strict()


@pytest.mark.parametrize("kind", ["directory", "fifo", "dangling", "loop"])
def test_what_is_no_file_is_told_and_waits_for_nobody(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ETC / "a.toml"
    path.parent.mkdir(parents=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere" if kind == "dangling" else "a.toml")
    found = read(tmp_path, {f"{ETC}/b.toml": "enabled = false\n"})
    assert not found.values.enabled
    assert len(found.problems) == 1
    with pytest.raises(InvalidInput, match=r"a\.toml"):
        found.strict()


def test_lines_name_every_key_with_its_value_and_origin(tmp_path: Path) -> None:
    found = read(tmp_path, {f"{ETC}/a.toml": '[groups."x.service"]\nplaces = 2\n'})
    origin = str(tmp_path / ETC / "a.toml")
    assert ("lock.places", 1, "default") in found.lines()
    assert ('groups."x.service".places', 2, origin) in found.lines()
