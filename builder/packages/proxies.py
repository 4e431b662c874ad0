"""Proxies between this host and the archives: one choice for downloads and for apt.

The environment wins; without any of its variables, what the host's own apt is told
holds, for downloads as well.

Source: apt.conf(5), "The Acquire Group"; apt-transport-http(1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_NO_PROXY = "DIRECT"
_SETTING = re.compile(
    r"Acquire::(?P<scheme>https?)::Proxy(?:::(?P<host>[A-Za-z0-9.-]+))? (?P<value>[^\s\"]+)"
)


@dataclass(frozen=True, slots=True)
class Proxies:
    """How the archives are reached.

    Attributes:
        variables: of the environment, as downloads and apt read them.
        settings: lines of a configuration of apt, by name.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


DIRECT = Proxies()
"""No proxy anywhere."""


def find(environment: Mapping[str, str], runner: Runner) -> Proxies:
    """The proxies of this host.

    Args:
        environment: usually ``os.environ``.
        runner: asks apt.
    """
    named = {
        name: value
        for name in VARIABLES
        if (value := environment.get(name) or environment.get(name.upper()))
    }
    if set(named) - {"no_proxy"}:
        return Proxies(named)
    return _from_apt(runner)


def _from_apt(runner: Runner) -> Proxies:
    try:
        dump = runner.run(Command(["apt-config", "dump", "--format", "%F %v%n"])).decode()
    except HostFailure:
        return DIRECT  # no apt, no setting
    settings, variables = {}, {}
    direct = []
    for found in filter(None, map(_SETTING.fullmatch, dump.splitlines())):
        scheme, host, value = found["scheme"], found["host"], found["value"]
        settings[found[0].partition(" ")[0]] = value
        if host and value.upper() == _NO_PROXY:
            direct.append(host)
        elif not host and value.upper() != _NO_PROXY:
            variables[f"{scheme}_proxy"] = value
    # What apt says of http holds for https unless it says something of that.
    if "http_proxy" in variables and "Acquire::https::Proxy" not in settings:
        variables["https_proxy"] = variables["http_proxy"]
    if direct and variables:
        variables["no_proxy"] = ",".join(sorted(direct))
    return Proxies(variables, settings)
