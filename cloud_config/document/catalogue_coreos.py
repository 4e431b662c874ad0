"""The keys below ``coreos``.

Source: coreos-cloudinit, config/{etcd,etcd2,fleet,flannel,locksmith,oem,unit,update}.go.
"""

from __future__ import annotations

from typing import Final

from cloud_config.document.keys import Fields, Items, Key, Kind, Leaf, choice

_LETTERS = {"s": Kind.TEXT, "b": Kind.FLAG, "i": Kind.WHOLE, "f": Kind.NUMBER}
_NOT_ETCD2 = "etcd2 options no longer work for etcd"


def _options(listing: str, **leaves: Leaf) -> tuple[Key, ...]:
    """Keys from ``name:type`` words; the type is s, b, i or f, and ``!`` marks a secret."""
    keys = []
    for word in listing.split():
        name, _, kind = word.partition(":")
        leaf = Leaf(_LETTERS[kind[0]], secret=kind.endswith("!"))
        keys.append(Key(name, leaves.get(name, leaf)))
    return tuple(keys)


def _deprecate(keys: tuple[Key, ...], reasons: dict[str, str]) -> tuple[Key, ...]:
    return tuple(
        Key(key.name, key.shape, key.about, reasons.get(key.name, key.deprecated)) for key in keys
    )


UNIT: Final = Fields(
    keys=(
        Key(
            "name",
            Leaf(pattern=r"\A[A-Za-z0-9:_.@\\-]+\Z", allowed="a name of a unit"),
            "Name with its suffix.",
        ),
        Key("mask", Leaf(Kind.FLAG), "Link it to /dev/null, so that nothing can start it."),
        Key("enable", Leaf(Kind.FLAG), "Follow its [Install] section."),
        Key("runtime", Leaf(Kind.FLAG), "Below /run: gone after a reboot."),
        Key("content", Leaf(), "The whole unit file."),
        Key(
            "command",
            choice(
                "start",
                "stop",
                "restart",
                "reload",
                "try-restart",
                "reload-or-restart",
                "reload-or-try-restart",
            ),
            "What to do with it now.",
        ),
        Key(
            "drop_ins",
            Items(
                Fields(
                    keys=(
                        Key(
                            "name",
                            Leaf(pattern=r"\A[A-Za-z0-9:_.@-]+\Z", allowed="a file name"),
                            "Name.conf.",
                        ),
                        Key("content", Leaf(), "What it adds to the unit."),
                    ),
                    required=("name",),
                )
            ),
            "Fragments of a unit that exists.",
        ),
    ),
    required=("name",),
)

UPDATE: Final = Fields(
    _options(
        "reboot_strategy:s group:s server:s",
        reboot_strategy=choice("etcd-lock", "reboot", "off"),
    )
)

LOCKSMITH: Final = Fields(
    _options(
        "endpoint:s etcd_cafile:s etcd_certfile:s etcd_keyfile:s etcd_username:s "
        "etcd_password:s! group:s window_start:s window_length:s",
        window_start=Leaf(
            pattern=r"\A(([sS][uU][nN]|[mM][oO][nN]|[tT][uU][eE]|[wW][eE][dD]|[tT][hH][uU]"
            r"|[fF][rR][iI]|[sS][aA][tT]) )?0*([0-9]|1[0-9]|2[0-3]):0*([0-9]|[1-5][0-9])\Z",
            allowed="a time such as 04:00 or Thu 04:00",
        ),
        # One letter at a time: "[a-z]+" inside the repetition says the same
        # and takes exponential time on a value that does not match.
        window_length=Leaf(
            pattern=r"\A[-+]?(?:[0-9]*(?:\.[0-9]*)?[a-z])+\Z",
            allowed="a duration such as 1h30m",
        ),
    )
)

ETCD2: Final = Fields(
    _deprecate(
        _options(
            "advertise_client_urls:s ca_file:s cert_file:s client_cert_auth:b cors:s data_dir:s "
            "debug:b discovery:s discovery_fallback:s discovery_srv:s discovery_proxy:s "
            "election_timeout:i enable_pprof:b force_new_cluster:b heartbeat_interval:i "
            "initial_advertise_peer_urls:s initial_cluster:s initial_cluster_state:s "
            "initial_cluster_token:s key_file:s listen_client_urls:s listen_peer_urls:s "
            "log_package_levels:s max_snapshots:i max_wals:i name:s peer_ca_file:s "
            "peer_cert_file:s peer_key_file:s peer_client_cert_auth:b peer_trusted_ca_file:s "
            "proxy:s proxy_dial_timeout:i proxy_failure_wait:i proxy_read_timeout:i "
            "proxy_refresh_interval:i proxy_write_timeout:i snapshot_count:i "
            "strict_reconfig_check:b trusted_ca_file:s wal_dir:s",
            proxy=choice("on", "off", "readonly"),
        ),
        {
            "ca_file": "ca_file obsoleted by trusted_ca_file and client_cert_auth",
            "peer_ca_file": "peer_ca_file obsoleted peer_trusted_ca_file and peer_client_cert_auth",
        },
    )
)

ETCD: Final = Fields(
    _deprecate(
        _options(
            "addr:s advertise_client_urls:s bind_addr:s ca_file:s cert_file:s "
            "cluster_active_size:i cluster_remove_delay:f cluster_sync_interval:f cors:s "
            "data_dir:s discovery:s discovery_fallback:s discovery_srv:s discovery_proxy:s "
            "election_timeout:i force_new_cluster:b graphite_host:s heartbeat_interval:i "
            "http_read_timeout:f http_write_timeout:f initial_advertise_peer_urls:s "
            "initial_cluster:s initial_cluster_state:s initial_cluster_token:s key_file:s "
            "listen_client_urls:s listen_peer_urls:s max_result_buffer:i max_retry_attempts:i "
            "max_snapshots:i max_wals:i name:s peer_addr:s peer_bind_addr:s peer_ca_file:s "
            "peer_cert_file:s peer_election_timeout:i peer_heartbeat_interval:i peer_key_file:s "
            "peers:s peers_file:s proxy:s retry_interval:f snapshot:b snapshot_count:i trace:s "
            "verbose:b very_verbose:b very_very_verbose:b"
        ),
        dict.fromkeys(
            (
                "advertise_client_urls",
                "discovery_fallback",
                "discovery_srv",
                "discovery_proxy",
                "election_timeout",
                "force_new_cluster",
                "heartbeat_interval",
                "initial_advertise_peer_urls",
                "initial_cluster",
                "initial_cluster_state",
                "initial_cluster_token",
                "listen_client_urls",
                "listen_peer_urls",
                "max_snapshots",
                "max_wals",
                "proxy",
            ),
            _NOT_ETCD2,
        ),
    )
)

FLEET: Final = Fields(
    _options(
        "agent_ttl:s authorized_keys_file:s disable_engine:b engine_reconcile_interval:f "
        "etcd_cafile:s etcd_certfile:s etcd_keyfile:s etcd_key_prefix:s etcd_request_timeout:f "
        "etcd_servers:s etcd_username:s etcd_password:s! metadata:s public_ip:s token_limit:i "
        "verbosity:i verify_units:b"
    )
)

FLANNEL: Final = Fields(
    _options(
        "etcd_endpoints:s etcd_cafile:s etcd_certfile:s etcd_keyfile:s etcd_prefix:s "
        "etcd_username:s etcd_password:s! ip_masq:s subnet_file:s interface:s public_ip:s"
    )
)

OEM: Final = Fields(_options("id:s name:s version_id:s home_url:s bug_report_url:s"))

COREOS: Final = Fields(
    (
        Key("update", UPDATE, "How this machine updates itself."),
        Key("locksmith", LOCKSMITH, "The reboot manager."),
        Key("etcd2", ETCD2, "Options of etcd, mapped to version 3.5."),
        Key(
            "etcd",
            ETCD,
            "Options of etcd 0.4, which is gone.",
            deprecated="etcd 0.4 is no longer shipped, use etcd2",
        ),
        Key("fleet", FLEET, "Options of the scheduler, kept for it."),
        Key("flannel", FLANNEL, "Options of the overlay network."),
        Key("oem", OEM, "What /etc/oem-release says of the platform."),
        Key("units", Items(UNIT), "Units of systemd."),
    )
)
