"""The arithmetic of the benchmarks; what they measure is not tested."""

import json

from bench.memory import tasks
from bench.tables import Row, Series, Table, collect

TABLE = Table(
    "Walking",
    ("wall s", "steps"),
    (
        Row("peer", (Series.of(4.0, 8.0, 6.0), Series.of(10))),
        Row("ours", (Series.of(3.0), None), "peer"),
    ),
    ("downhill",),
)


def test_a_ratio_divides_medians() -> None:
    assert TABLE.ratios(TABLE.rows[1]) == (0.5, None)


def test_the_peer_itself_has_no_ratio() -> None:
    assert TABLE.ratios(TABLE.rows[0]) == (None, None)


def test_nothing_is_divided_by_nothing() -> None:
    rows = (Row("peer", (Series.of(0),)), Row("ours", (Series.of(1),), "peer"))
    table = Table("Idle", ("CPU s",), rows)
    assert table.ratios(rows[1]) == (None,)


def test_a_table_shows_spread_ratio_and_conditions() -> None:
    text = TABLE.as_text()
    assert "4 / 6 / 8" in text
    assert "3  x0.50" in text
    assert text.endswith("- downhill\n")


def test_a_program_finds_every_round_and_the_ratios() -> None:
    content = json.loads(TABLE.as_json())
    assert content["rows"][0]["cells"][0]["values"] == [4.0, 8.0, 6.0]
    assert content["rows"][1]["ratios"] == [0.5, None]


def test_rounds_turn_into_one_series_per_quantity() -> None:
    assert collect([(1.0, 2.0), (3.0, 4.0)]) == (Series.of(1.0, 3.0), Series.of(2.0, 4.0))


def test_sessions_of_people_do_not_count() -> None:
    shell = {"cgroup": "/user.slice/user-0.slice/session-1.scope", "command": "bash"}
    engine = {
        "cgroup": "/system.slice/update-engine.service",
        "command": "/usr/bin/python3 -I /usr/lib/update-engine/update-engine",
    }
    first = {"cgroup": "/init.scope", "command": "/usr/lib/systemd/systemd --switched-root"}
    sizes = {"pss": 5000, "private": 4000}
    found = tasks(json.dumps([{**entry, **sizes} for entry in (first, shell, engine)]))
    assert [(task.service, task.is_ours, task.is_python) for task in found] == [
        ("systemd (PID 1)", False, False),
        ("update-engine.service", True, True),
    ]
