"""Tables of ``coreos``: what they become for the programs of today."""

import tomllib
from collections.abc import Mapping

import pytest

from cloud_config.document.findings import Level
from cloud_config.document.interpreting import interpret
from cloud_config.document.model import Coreos, Document
from cloud_config.planning import etcd
from cloud_config.planning.actions import CommandUnit, LinkFile, PutFile
from cloud_config.planning.facts import Facts
from cloud_config.planning.plan import Plan, plan
from hostio.files.config import parse
from update_engine.settings import Settings

NODE = Facts(units=frozenset({"etcd.service", "update-engine.service", "locksmithd.service"}))
UPDATE_CONF = "/etc/coreos/update.conf"
ENGINE = "/etc/update-engine/config.d/50-cloud-config.toml"
LOCKSMITH = "/etc/locksmith/config.d/50-cloud-config.toml"
ETCD = "/etc/systemd/system/etcd.service.d/20-cloudinit.conf"


def planned(facts: Facts = NODE, /, **tables: Mapping[str, str]) -> Plan:
    return plan(Document(coreos=Coreos(**tables)), facts)  # type: ignore[arg-type]


def text(made: Plan, path: str) -> str:
    (found,) = [a for a in made.actions if isinstance(a, PutFile) and a.path == path]
    return found.content.decode()


def paths(made: Plan) -> set[str]:
    return {a.path for a in made.actions if isinstance(a, PutFile)}


def commands(made: Plan) -> list[tuple[str, str]]:
    return [(a.verb, a.name) for a in made.actions if isinstance(a, CommandUnit)]


def environment(content: str) -> dict[str, str]:
    assignments = [
        line.removeprefix('Environment="').removesuffix('"')
        for line in content.splitlines()
        if line.startswith("Environment=")
    ]
    return dict(pair.split("=", 1) for pair in assignments)


def test_an_empty_document_asks_for_nothing() -> None:
    assert plan(Document(), NODE) == Plan()


def test_the_update_settings_are_a_fragment_that_the_engine_accepts() -> None:
    made = planned(update={"group": "beta", "server": "https://u/x", "reboot_strategy": "off"})
    settings = parse(Settings, text(made, ENGINE), source="fragment")
    assert settings.updates.group == "beta"
    assert settings.repository.url == "https://u/x"
    assert settings.updates.reboot_strategy == "off"


def test_a_fragment_says_where_it_comes_from() -> None:
    first = text(planned(update={"group": "beta"}), ENGINE).splitlines()[0]
    assert first.startswith("# Written by cloud-config from coreos.update")


def test_the_server_disabled_turns_updates_off() -> None:
    made = planned(update={"server": "disabled"})
    assert not parse(Settings, text(made, ENGINE), source="fragment").updates.enabled
    assert "SERVER=disabled\n" in text(made, UPDATE_CONF)


def test_update_conf_starts_from_the_image_s_and_keeps_what_others_wrote() -> None:
    facts = Facts(update_conf_default="# The image's.\nGROUP=stable\nSERVER=https://old\n")
    made = planned(facts, update={"group": "beta"})
    assert text(made, UPDATE_CONF) == (
        "# The image's.\nSERVER=https://old\n# By cloud-config: coreos.update\nGROUP=beta\n"
    )


def test_what_a_former_document_set_in_update_conf_goes_with_it() -> None:
    first = planned(update={"group": "beta", "reboot_strategy": "off"})
    later = planned(Facts(update_conf=text(first, UPDATE_CONF)), update={"server": "https://new"})
    assert "GROUP" not in text(later, UPDATE_CONF)
    assert "REBOOT_STRATEGY" not in text(later, UPDATE_CONF)


def test_a_line_of_an_operator_in_update_conf_stays() -> None:
    made = planned(Facts(update_conf="DOWNLOAD_USER=x\n"), update={"group": "beta"})
    assert text(made, UPDATE_CONF).startswith("DOWNLOAD_USER=x\n")


def test_an_unreadable_update_conf_is_left_alone_and_the_fragment_is_written() -> None:
    made = planned(Facts(update_conf="\x1b[2J\n"), update={"group": "beta"})
    assert paths(made) == {ENGINE}
    assert [f.level for f in made.findings] == [Level.ERROR]


def test_another_group_restarts_the_engine() -> None:
    assert ("try-restart", "update-engine.service") in commands(planned(update={"group": "beta"}))


def test_another_strategy_restarts_the_reboot_manager() -> None:
    made = planned(update={"reboot_strategy": "etcd-lock"})
    assert commands(made) == [("restart", "locksmithd.service")]
    assert tomllib.loads(text(made, LOCKSMITH)) == {"reboot": {"strategy": "etcd-lock"}}


def test_the_strategy_off_stops_and_masks_it_until_the_next_start() -> None:
    made = planned(update={"reboot_strategy": "off"})
    masks = [a for a in made.actions if isinstance(a, LinkFile)]
    assert [(m.path, m.target) for m in masks] == [
        ("/run/systemd/system/locksmithd.service", "/dev/null")
    ]
    assert commands(made) == [("stop", "locksmithd.service")]


def test_an_image_without_reboot_manager_keeps_the_settings_for_it() -> None:
    made = planned(Facts(units=frozenset()), update={"reboot_strategy": "reboot"})
    assert not commands(made)
    assert [f.level for f in made.findings] == [Level.INFO]


def test_the_locksmith_settings_are_one_fragment_with_seconds() -> None:
    made = planned(
        locksmith={
            "endpoint": "http://a:2379, http://b:2379",
            "etcd_cafile": "/etc/ssl/ca.pem",
            "group": "db",
            "window_start": "Thu 04:00",
            "window_length": "1h30m",
        }
    )
    assert tomllib.loads(text(made, LOCKSMITH)) == {
        "reboot": {"group": "db"},
        "window": {"start": "Thu 04:00", "length_s": 5400},
        "etcd": {"endpoints": ["http://a:2379", "http://b:2379"], "ca_file": "/etc/ssl/ca.pem"},
    }


def test_locksmithd_gets_the_variables_that_it_knew() -> None:
    made = planned(locksmith={"endpoint": "http://a", "window_start": "4:00"})
    content = text(made, "/etc/systemd/system/locksmithd.service.d/20-cloudinit.conf")
    assert environment(content) == {
        "LOCKSMITHD_ENDPOINT": "http://a",
        "REBOOT_WINDOW_START": "4:00",
    }


@pytest.mark.parametrize("table", ["locksmith", "fleet", "flannel"])
def test_a_password_is_only_where_root_alone_reads_it(table: str) -> None:
    made = planned(**{table: {"etcd_username": "u", "etcd_password": "s3cret"}})
    holders = [a for a in made.actions if isinstance(a, PutFile) and b"s3cret" in a.content]
    assert [holder.mode for holder in holders] == [0o600]
    assert not any(holder.path.startswith("/etc/systemd") for holder in holders)


def test_a_window_that_is_no_duration_costs_only_itself() -> None:
    made = planned(locksmith={"group": "db", "window_length": "-1h"})
    assert tomllib.loads(text(made, LOCKSMITH)) == {"reboot": {"group": "db"}}
    assert "window_length" in made.findings[0].message


def test_etcd_2_options_keep_their_names_for_etcd_3() -> None:
    made = planned(etcd2={"name": "m1", "election_timeout": "5000", "discovery": "https://d/1"})
    assert environment(text(made, ETCD)) == {
        "ETCD_NAME": "m1",
        "ETCD_ELECTION_TIMEOUT": "5000",
        "ETCD_DISCOVERY": "https://d/1",
    }
    assert ("try-restart", "etcd.service") in commands(made)


def test_etcd_s_own_directories_are_made_for_it() -> None:
    made = planned(etcd2={"data_dir": "/var/lib/etcd2", "wal_dir": "/var/lib/etcd2/member/wal/"})
    directories = [line for line in text(made, ETCD).splitlines() if "StateDirectory" in line]
    assert directories == ["StateDirectory=etcd2", "StateDirectory=etcd2/member/wal"]


@pytest.mark.parametrize("place", ["/var/lib/../etc", "/var/lib/a b", "/srv/etcd", "/var/lib/"])
def test_a_directory_elsewhere_is_the_document_s_own_matter(place: str) -> None:
    assert "StateDirectory" not in text(planned(etcd2={"data_dir": place}), ETCD)


def test_short_forms_of_etcd_2_become_what_they_stood_for() -> None:
    made = planned(etcd2={"ca_file": "/c", "peer_ca_file": "/p", "debug": "true"})
    assert environment(text(made, ETCD)) == {
        "ETCD_TRUSTED_CA_FILE": "/c",
        "ETCD_CLIENT_CERT_AUTH": "true",
        "ETCD_PEER_TRUSTED_CA_FILE": "/p",
        "ETCD_PEER_CLIENT_CERT_AUTH": "true",
        "ETCD_LOG_LEVEL": "debug",
    }
    assert len(made.findings) == 3


def test_an_option_s_own_name_wins_over_its_short_form() -> None:
    made = planned(
        etcd2={"ca_file": "/old", "trusted_ca_file": "/new", "client_cert_auth": "false"}
    )
    assert environment(text(made, ETCD)) == {
        "ETCD_TRUSTED_CA_FILE": "/new",
        "ETCD_CLIENT_CERT_AUTH": "false",
    }


def test_an_option_that_is_gone_is_reported_and_left_out() -> None:
    made = planned(etcd2={"log_package_levels": "x=DEBUG", "debug": "false"})
    assert not paths(made)
    (finding,) = made.findings
    assert finding.level is Level.WARNING
    assert "coreos.etcd2.log_package_levels: no longer exists" in finding.message


def test_every_option_of_etcd_2_becomes_something_or_is_reported() -> None:
    known = etcd.OPTIONS | {"ca_file", "peer_ca_file", "debug", *etcd.GONE}
    made = planned(etcd2=dict.fromkeys(known, "true"))
    assert len(environment(text(made, ETCD))) == len(etcd.OPTIONS) + 1  # and the log level


def test_a_specifier_in_an_etcd_option_is_text_and_that_is_told() -> None:
    made = planned(etcd2={"name": "%H"})
    assert environment(text(made, ETCD)) == {"ETCD_NAME": "%%H"}
    assert "not as a specifier" in made.findings[0].message


def test_a_finding_names_the_line_of_the_option() -> None:
    request = interpret(b"#cloud-config\ncoreos:\n  etcd2:\n    name: a\n    debug: true\n", {})
    made = plan(request.document, NODE)
    assert [str(f) for f in made.findings] == [
        "line 5: info: coreos.etcd2.debug: became log_level=debug for etcd 3.5"
    ]


def test_a_value_that_no_line_can_hold_costs_only_itself() -> None:
    made = planned(etcd2={"name": "a\n[Service]\nExecStart=/bin/evil", "data_dir": "/var/lib/x"})
    assert environment(text(made, ETCD)) == {"ETCD_DATA_DIR": "/var/lib/x"}
    assert [f.level for f in made.findings] == [Level.ERROR]


def test_fleet_is_stored_for_the_scheduler_to_come() -> None:
    made = planned(fleet={"metadata": "role=web", "public_ip": "192.0.2.1"})
    content = text(made, "/etc/systemd/system/fleet.service.d/20-cloudinit.conf")
    assert environment(content) == {
        "FLEET_METADATA": "role=web",
        "FLEET_PUBLIC_IP": "192.0.2.1",
    }
    assert not commands(made)


def test_flannel_reads_its_interface_by_the_short_name() -> None:
    made = planned(flannel={"interface": "eth0", "ip_masq": "true"})
    assert text(made, "/run/flannel/options.env").splitlines()[1:] == [
        "FLANNELD_IFACE=eth0",
        "FLANNELD_IP_MASQ=true",
    ]


def test_oem_release_needs_an_id() -> None:
    assert not paths(planned(oem={"name": "x"}))
    assert "/etc/oem-release" in paths(planned(oem={"id": "x"}))
