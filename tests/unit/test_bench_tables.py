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


def test_the_asking_session_does_not_count() -> None:
    listing = (
        "/init.scope|5000 4000|/usr/lib/systemd/systemd --switched-root\n"
        "/user.slice/user-0.slice/session-1.scope|900 800|sh -c for p in /proc\n"
        "/system.slice/update-engine.service|30000 29000|"
        "/usr/bin/python3 -I /usr/lib/update-engine/update-engine\n"
    )
    first, engine = tasks(listing)
    assert (first.service, first.is_ours) == ("systemd (PID 1)", False)
    assert (engine.service, engine.is_ours, engine.is_python) == (
        "update-engine.service",
        True,
        True,
    )
