"""Downloads and apt go through the same proxy: the environment's, or else apt's own."""

import pytest

from builder.packages import proxies
from builder.packages.proxies import Proxies
from tests.fakes.runner import ScriptedRunner, failing

SILENT = ScriptedRunner(apt_config=b"APT::Architecture amd64\n")
TOLD = ScriptedRunner(
    apt_config=b"Acquire::http::Proxy http://p.example:3128/\n"
    b"Acquire::http::Proxy::near.example DIRECT\n"
    b"Acquire::https::Verify-Peer true\n"
)


def test_a_host_without_proxies_has_none() -> None:
    assert proxies.find({"HOME": "/root"}, SILENT) == Proxies()
    assert proxies.find({}, ScriptedRunner(apt_config=failing("no such program"))) == Proxies()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_the_environment_wins_over_apt(name: str) -> None:
    environment = {name: "http://e.example", "no_proxy": "x"}
    found = proxies.find(environment, TOLD)
    assert found == Proxies({"http_proxy": "http://e.example", "no_proxy": "x"})


def test_what_the_hosts_apt_is_told_holds_for_downloads_as_well() -> None:
    found = proxies.find({}, TOLD)
    assert found.variables == {
        "http_proxy": "http://p.example:3128/",
        "https_proxy": "http://p.example:3128/",
        "no_proxy": "near.example",
    }
    assert found.settings == {
        "Acquire::http::Proxy": "http://p.example:3128/",
        "Acquire::http::Proxy::near.example": "DIRECT",
    }


def test_no_proxy_can_be_apts_choice() -> None:
    runner = ScriptedRunner(apt_config=b"Acquire::http::Proxy DIRECT\n")
    assert proxies.find({}, runner).variables == {}
