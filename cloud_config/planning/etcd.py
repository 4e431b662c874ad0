"""``coreos.etcd2`` as options of etcd 3.5.

etcd 3.5 reads ``ETCD_<OPTION>`` as etcd 2 did, and has all its options but
four. Two of those were short forms of others, one has another name; what has
nothing to become is reported, for etcd 3.5 only warns about an unknown variable
in its own log.

Source: ``etcd --help`` of 3.5.16; etcd 2.3 Documentation/configuration.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cloud_config.document.model import Unit
from cloud_config.planning.facts import Facts
from cloud_config.planning.options import Options
from cloud_config.planning.services import drop_in, restarted
from cloud_config.planning.share import Share, info, total, warning

UNIT = "etcd.service"
OLD_UNIT = "etcd2.service"
"""Documents of the time start this unit; the image's etcd.service is its successor."""
_ORIGIN = "coreos.etcd2"
_SPECIFIER = re.compile(r"%[A-Za-z]")
_STATE = re.compile(r"/var/lib/([A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*)/?")
_TRUE = frozenset({"true", "1", "t", "yes", "on"})

_UNCHANGED = """
    advertise_client_urls cert_file client_cert_auth cors data_dir discovery discovery_fallback
    discovery_proxy discovery_srv election_timeout enable_pprof force_new_cluster
    heartbeat_interval initial_advertise_peer_urls initial_cluster initial_cluster_state
    initial_cluster_token key_file listen_client_urls listen_peer_urls max_snapshots max_wals name
    peer_cert_file peer_client_cert_auth peer_key_file peer_trusted_ca_file proxy
    proxy_dial_timeout proxy_failure_wait proxy_read_timeout proxy_refresh_interval
    proxy_write_timeout snapshot_count strict_reconfig_check trusted_ca_file wal_dir
    """
OPTIONS = frozenset(_UNCHANGED.split())
"""Options of etcd 2 that etcd 3.5 has under the same name."""
GONE = {"log_package_levels": "etcd 3.5 has one level for all of its log"}
"""Options that became nothing, and why."""
_SHORT_FORMS = {
    # "--ca-file ca.crt could be replaced by --trusted-ca-file ca.crt --client-cert-auth"
    "ca_file": ("trusted_ca_file", "client_cert_auth"),
    "peer_ca_file": ("peer_trusted_ca_file", "peer_client_cert_auth"),
}


def etcd2(options: Options, units: Sequence[Unit], facts: Facts) -> Share:
    """The drop-in of the etcd unit, and what is to be said about options that changed.

    Args:
        options: ``coreos.etcd2``.
        units: of the document; one that brings an etcd2.service of its own gets
            the settings there as well.
        facts: of this machine.
    """
    kept, share = options.writable()
    if not kept.values:
        return share
    translated = _translated(kept.values)
    share += total((_changed(kept), _risky(kept), _literal(kept)))
    if not facts.has_unit(UNIT):
        message = f"{_ORIGIN}: this image has no {UNIT}; the settings are kept for it"
        share += info(message, kept.line())
    if not translated:
        return share
    environment = {f"ETCD_{key.upper()}": value for key, value in translated.items()}
    own = any(unit.name == OLD_UNIT and unit.content for unit in units)
    names = (UNIT, OLD_UNIT) if own else (UNIT,)
    states = _state_directories(translated)
    return share + Share(
        units=tuple(drop_in(name, environment, _ORIGIN, states=states) for name in names),
        restarts=tuple(action for name in names for action in restarted(name, _ORIGIN, facts)),
    )


def _state_directories(options: Mapping[str, str]) -> list[str]:
    """Its directories below /var/lib: the user etcd cannot make them there itself."""
    found = (_STATE.fullmatch(options.get(key, "")) for key in ("data_dir", "wal_dir"))
    return list(dict.fromkeys(match[1] for match in found if match))


def _translated(options: Mapping[str, str]) -> dict[str, str]:
    """What etcd 3.5 gets; an option's own name wins over a short form of it."""
    found = {key: value for key, value in options.items() if key in OPTIONS}
    for key, (file, switch) in _SHORT_FORMS.items():
        if key in options:
            found.setdefault(file, options[key])
            found.setdefault(switch, "true")
    if _is_true(options, "debug"):
        found["log_level"] = "debug"
    return found


def _changed(options: Options) -> Share:
    """Remarks about options that etcd 3.5 does not have."""
    became = {key: " and ".join(new) for key, new in _SHORT_FORMS.items()}
    if _is_true(options.values, "debug"):
        became["debug"] = "log_level=debug"
    remarks = [
        info(f"{_ORIGIN}.{key}: became {new} for etcd 3.5", options.line(key))
        for key, new in became.items()
        if key in options.values
    ]
    remarks += [
        warning(f"{_ORIGIN}.{key}: no longer exists and is left out: {reason}", options.line(key))
        for key, reason in GONE.items()
        if key in options.values
    ]
    return total(remarks)


def _risky(options: Options) -> Share:
    """Remarks about options that do what they say, which is hardly what is wanted."""
    share = Share()
    if options.values.get("proxy", "off") != "off":
        share += warning(
            f"{_ORIGIN}.proxy: etcd 3.5 forwards the v2 protocol only", options.line("proxy")
        )
    if _is_true(options.values, "force_new_cluster"):
        share += warning(
            f"{_ORIGIN}.force_new_cluster: forgets the other members at every start; "
            "take it out when the cluster is back",
            options.line("force_new_cluster"),
        )
    return share


def _literal(options: Options) -> Share:
    """Some documents relied on values being pasted into the unit, where ``%H`` is the name."""
    return total(
        warning(
            f"{_ORIGIN}.{key}: % is taken as it is, not as a specifier of systemd",
            options.line(key),
        )
        for key, value in options.values.items()
        if _SPECIFIER.search(value)
    )


def _is_true(options: Mapping[str, str], key: str) -> bool:
    return options.get(key, "").lower() in _TRUE
