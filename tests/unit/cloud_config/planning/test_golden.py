"""One document with every key, and the whole plan that is made of it.

After a wanted change: ``REWRITE_GOLDEN=1 pytest tests/unit/cloud_config/planning/test_golden.py``.
"""

import os
from pathlib import Path

from cloud_config.document.interpreting import interpret
from cloud_config.planning.actions import PutFile
from cloud_config.planning.describing import summary
from cloud_config.planning.facts import Facts
from cloud_config.planning.metadata import Metadata
from cloud_config.planning.plan import Plan, plan

GOLDEN = Path(__file__).parent / "golden"
DOCUMENT = GOLDEN / "plan.yml"
EXPECTED = GOLDEN / "plan.txt"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO82/y3+Lv972cfzXHctxkDs1O//ElnWrMzhmNrOUHIO"
PLATFORM = Metadata(
    source="ec2",
    hostname="ip-10-0-0-7",
    public_keys=(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO82/y3+Lv972cfzXHctxkDs1O//ElnWrMzhmNrOUHIO platform",
    ),
    public_ipv4="192.0.2.7",
    private_ipv4="10.0.0.7",
)
NODE = Facts(
    hostname="localhost",
    units=frozenset({"etcd.service", "update-engine.service", "systemd-networkd.service"}),
    links={"/home": "/var/home", "/root": "/var/roothome"},
    update_conf_default="GROUP=stable\nSERVER=https://updates.example.com/old\n",
    environment="LANG=C.UTF-8\n",
    metadata=PLATFORM,
)


def the_plan() -> Plan:
    request = interpret(DOCUMENT.read_bytes(), PLATFORM.addresses)
    assert not request.has_errors, request.findings
    return plan(request.document, NODE, (b"#!/bin/sh\ntrue\n",))


def as_text(made: Plan) -> str:
    lines: list[str] = []
    for action in made.actions:
        lines.append(f"{summary(action)}  [{action.origin}]")
        if isinstance(action, PutFile):
            lines += [f"    | {text}" for text in action.content.decode().splitlines()]
    lines += ["", *map(str, made.findings)]
    return "\n".join(lines) + "\n"


def test_the_plan_of_every_key_is_as_it_was_reviewed() -> None:
    text = as_text(the_plan())
    if os.environ.get("REWRITE_GOLDEN"):
        EXPECTED.write_text(text, encoding="utf-8")
    assert text == EXPECTED.read_text(encoding="utf-8")


def test_a_summary_never_shows_a_secret() -> None:
    made = the_plan()
    shown = " ".join(
        [*map(summary, made.actions), *map(str, made.findings), *map(repr, made.actions)]
    )
    assert "s3cret" not in shown
    assert "$6$" not in shown


def test_a_second_plan_of_the_same_machine_is_the_same() -> None:
    first = the_plan()
    written = {a.path: a.content.decode() for a in first.actions if isinstance(a, PutFile)}
    after = Facts(
        hostname="web-1",
        units=NODE.units,
        links=NODE.links,
        update_conf=written["/etc/coreos/update.conf"],
        update_conf_default=NODE.update_conf_default,
        environment=written["/etc/environment"],
        metadata=PLATFORM,
    )
    request = interpret(DOCUMENT.read_bytes(), PLATFORM.addresses)
    again = plan(request.document, after, (b"#!/bin/sh\ntrue\n",))
    assert again == first
