"""``coreos.update`` and ``coreos.locksmith``: settings of the update engine and the reboot manager.

Both programs read fragments below ``config.d``. ``update.conf`` and the drop-in
of locksmithd are written as well, for what still reads them; a password goes
into the fragment only, which root alone may read: a unit's environment is
open to everyone.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloud_config.planning.actions import Action, CommandUnit, LinkFile, PutFile
from cloud_config.planning.environmentfiles import NOTE, merged, without_ours
from cloud_config.planning.facts import Facts
from cloud_config.planning.options import Options
from cloud_config.planning.services import drop_in
from cloud_config.planning.share import Share, error, generated, info, total
from osmodel.faults import InvalidInput
from osmodel.goduration import parse_duration

UPDATE_CONF = "/etc/coreos/update.conf"
ENGINE_FRAGMENT = "/etc/update-engine/config.d/50-cloud-config.toml"
LOCKSMITH_FRAGMENT = "/etc/locksmith/config.d/50-cloud-config.toml"
ENGINE = "update-engine.service"
LOCKSMITHD = "locksmithd.service"
_UPDATE = "coreos.update"
_ETCD_KEYS = {
    "etcd_cafile": "ca_file",
    "etcd_certfile": "cert_file",
    "etcd_keyfile": "key_file",
    "etcd_username": "username",
    "etcd_password": "password",
}
_WINDOW = {"window_start": "REBOOT_WINDOW_START", "window_length": "REBOOT_WINDOW_LENGTH"}


def settings(update: Options, locksmith: Options, facts: Facts) -> Share:
    """Files, restarts and masks for both programs."""
    update, complaints = update.writable()
    locksmith, more = locksmith.writable()
    engine = _engine(update.values, facts)
    return total((complaints, more, engine, _locksmith(update, locksmith, facts)))


def _engine(update: Mapping[str, str], facts: Facts) -> Share:
    if not update:
        return Share()
    conf = _update_conf(update, facts)
    tables = _engine_tables(update)
    fragment = generated(ENGINE_FRAGMENT, "fragment.toml", _UPDATE, tables=tables)
    restart: tuple[Action, ...] = ()
    if update.keys() & {"group", "server"} and facts.has_unit(ENGINE):
        # It starts on demand and reads its settings then; one that runs is asked to begin anew.
        restart = (CommandUnit("try-restart", ENGINE, _UPDATE, only_if_changed=True),)
    return conf + Share(files=(fragment,), restarts=restart)


def _update_conf(update: Mapping[str, str], facts: Facts) -> Share:
    present = without_ours(facts.update_conf.splitlines()) or facts.update_conf_default.splitlines()
    names = {key.upper(): value for key, value in update.items()}
    try:
        content = merged(present, names, note=f"{NOTE} {_UPDATE}")
    except InvalidInput as fault:
        return error(f"{UPDATE_CONF}: a line of it {fault}; it is left alone")
    return Share(files=(PutFile(UPDATE_CONF, content, _UPDATE),))


def _engine_tables(update: Mapping[str, str]) -> list[tuple[str, list[tuple[str, object]]]]:
    updates: list[tuple[str, object]] = []
    tables: list[tuple[str, list[tuple[str, object]]]] = []
    server = update.get("server", "")
    if server == "disabled":  # the word that turned updates off on CoreOS
        updates.append(("enabled", False))
    elif server:
        tables.append(("repository", [("url", server)]))
    updates += [(key, update[key]) for key in ("group", "reboot_strategy") if key in update]
    return [*tables, ("updates", updates)] if updates else tables


def _locksmith(update: Options, locksmith: Options, facts: Facts) -> Share:
    strategy = update.values.get("reboot_strategy", "")
    if not locksmith.values and not strategy:
        return Share()
    length, complaints = _window_length(locksmith)
    tables = _locksmith_tables(locksmith.values, strategy, length)
    origin = (locksmith if locksmith.values else update).name
    mode = 0o600 if "etcd_password" in locksmith.values else 0o644
    share = complaints + Share(
        files=(generated(LOCKSMITH_FRAGMENT, "fragment.toml", origin, mode, tables=tables),)
    )
    if environment := _locksmith_environment(locksmith.values):
        share += Share(units=(drop_in(LOCKSMITHD, environment, origin),))
    if strategy != "off" and not facts.has_unit(LOCKSMITHD):
        line = (locksmith if locksmith.values else update).line()
        message = f"{origin}: this image has no {LOCKSMITHD}; the settings are kept for it"
        return share + info(message, line)
    return share + _locksmith_commands(strategy, origin, facts)


def _window_length(locksmith: Options) -> tuple[int | None, Share]:
    text = locksmith.values.get("window_length", "")
    if not text:
        return None, Share()
    try:
        return parse_duration(text), Share()
    except InvalidInput as fault:
        return None, error(
            f"{locksmith.name}.window_length: {fault}", locksmith.line("window_length")
        )


def _locksmith_tables(
    locksmith: Mapping[str, str], strategy: str, length: int | None
) -> list[tuple[str, list[tuple[str, object]]]]:
    endpoints = [part.strip() for part in locksmith.get("endpoint", "").split(",") if part.strip()]
    etcd: list[tuple[str, object]] = [("endpoints", endpoints)] if endpoints else []
    etcd += [(new, locksmith[old]) for old, new in _ETCD_KEYS.items() if old in locksmith]
    reboot: list[tuple[str, object]] = [("strategy", strategy)] if strategy else []
    reboot += [("group", locksmith["group"])] if "group" in locksmith else []
    window: list[tuple[str, object]] = []
    window += [("start", locksmith["window_start"])] if "window_start" in locksmith else []
    window += [("length_s", length)] if length is not None else []
    return [t for t in (("reboot", reboot), ("window", window), ("etcd", etcd)) if t[1]]


def _locksmith_environment(locksmith: Mapping[str, str]) -> dict[str, str]:
    return {
        _WINDOW.get(key, f"LOCKSMITHD_{key.upper()}"): value
        for key, value in locksmith.items()
        if key != "etcd_password"
    }


def _locksmith_commands(strategy: str, origin: str, facts: Facts) -> Share:
    """Restart it; with the strategy ``off`` stop it and keep it from starting until a reboot."""
    if strategy == "off":
        mask = LinkFile(f"/run/systemd/system/{LOCKSMITHD}", "/dev/null", _UPDATE)
        stop = CommandUnit("stop", LOCKSMITHD, _UPDATE)
        return Share(units=(mask,), restarts=(stop,) if facts.has_unit(LOCKSMITHD) else ())
    return Share(restarts=(CommandUnit("restart", LOCKSMITHD, origin, only_if_changed=True),))
