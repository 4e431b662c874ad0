"""Make an update repository, publish releases into it and serve it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from hostio.system.clock import SystemClock
from hostio.system.commandline import complain, run_program
from mirror.admission import Announce, Limits, Listen
from mirror.release.builtrelease import read
from mirror.release.releasesigner import sign_release
from mirror.repository.creation import DEFAULT_DAYS, ONLINE_KEY, Policy, Quorum, create
from mirror.repository.publication import publish
from mirror.repository.refresh import refresh
from mirror.repository.status import Status, status, status_to_json
from mirror.signing.keys import SigningKey, load_key
from mirror.world import MirrorWorld
from osmodel.faults import Fault, InvalidInput

_PROGRAM = "update-mirror"
_LIMITS = Limits()
_EXAMPLE = """\
example:
  update-mirror init /srv/mirror --threshold 2 --keys 3
  update-mirror publish /srv/mirror out/minimal-x86_64-1.0.1 \\
      --key file:/srv/mirror.keys/targets-1.pem --key file:/srv/mirror.keys/targets-2.pem
  update-mirror serve /srv/mirror --listen 0.0.0.0:8080
"""


def parser() -> argparse.ArgumentParser:
    """The command line; also read by the manual page generator."""
    top = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=__doc__,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_init(_verb(verbs, "init", "make an empty repository and throw-away keys"))
    publishing = _verb(verbs, "publish", "sign a built release and offer it")
    publishing.add_argument(
        "release", metavar="RELEASE_DIR", type=Path, help="directory made by build-image"
    )
    _add_keys(publishing, "key of the targets role; repeat up to its threshold")
    refreshing = _verb(verbs, "refresh", "re-sign what expires soon (run daily)")
    _add_keys(refreshing, "targets or root key, to re-sign that role as well")
    refreshing.add_argument(
        "--clock-is-right",
        action="store_true",
        help="sign although the repository's own times contradict this machine's clock",
    )
    _verb(verbs, "status", "show releases, roles and what expires")
    serving = _verb(verbs, "serve", "serve the repository over http until SIGTERM")
    serving.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default="127.0.0.1:0",
        help="where; port 0 picks a free one (default: %(default)s)",
    )
    serving.add_argument(
        "--connections",
        metavar="N",
        type=int,
        default=_LIMITS.connections,
        help="of all clients together (default: %(default)s)",
    )
    serving.add_argument(
        "--per-client",
        metavar="N",
        type=int,
        default=_LIMITS.per_client,
        help="connections of one address; raise it behind a proxy (default: %(default)s)",
    )
    return top


def run(arguments: Sequence[str], world: MirrorWorld) -> int:
    """Run one verb in ``world`` and return the exit status."""
    options = parser().parse_args(arguments)
    verbs: Mapping[str, Callable[[argparse.Namespace, MirrorWorld], None]] = {
        "init": _init,
        "publish": _publish,
        "refresh": _refresh,
        "status": _status,
        "serve": _serve,
    }
    try:
        verbs[options.verb](options, world)
    except Fault as fault:
        complain(_PROGRAM, fault)
        return fault.exit_status
    return 0


def main() -> int:
    """Entry point: the only place that builds real adapters."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    world = MirrorWorld(SystemClock(), sign_release, _serve_by_http)
    return run_program(_PROGRAM, lambda: run(sys.argv[1:], world))


def _serve_by_http(repository: Path, listen: Listen, announce: Announce, limits: Limits) -> None:
    from mirror.server import serve  # noqa: PLC0415 - a web framework, for this verb only

    serve(repository, listen, announce, limits)


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=summary, description=summary.capitalize() + ".")
    verb.add_argument("repository", metavar="REPO", type=Path, help="directory of the repository")
    verb.add_argument("--json", action="store_true", help="print one line of JSON")
    return verb


def _add_init(init: argparse.ArgumentParser) -> None:
    init.add_argument(
        "--threshold", type=int, required=True, help="release signers that must agree"
    )
    init.add_argument("--keys", type=int, required=True, help="release signers in all")
    init.add_argument("--root-threshold", type=int, help="root signers (default: --threshold)")
    init.add_argument("--root-keys", type=int, help="root signers in all (default: --keys)")
    init.add_argument(
        "--key-dir", metavar="DIR", type=Path, help="where keys go (default: REPO.keys)"
    )
    init.add_argument(
        "--expires",
        metavar="ROLE=DAYS",
        action="append",
        default=[],
        help="validity of a role's metadata; repeatable (default: "
        + " ".join(f"{role}={days}" for role, days in DEFAULT_DAYS.items())
        + ")",
    )


def _add_keys(verb: argparse.ArgumentParser, summary: str) -> None:
    verb.add_argument(
        "--key", metavar="URI", action="append", default=[], help=f"{summary} (file:PATH)"
    )
    verb.add_argument(
        "--online-key",
        metavar="URI",
        help=f"key of snapshot and timestamp (default: file:REPO.keys/{ONLINE_KEY})",
    )


def _init(options: argparse.Namespace, world: MirrorWorld) -> None:
    root = Quorum(
        options.threshold if options.root_threshold is None else options.root_threshold,
        options.keys if options.root_keys is None else options.root_keys,
    )
    targets = Quorum(options.threshold, options.keys)
    policy = Policy(root, targets, dict(map(_days, options.expires)))
    key_directory = options.key_dir or _key_directory(options.repository)
    made = create(options.repository, key_directory, policy, world.clock.now())
    for quorum, power in ((targets, "release"), (root, "change whom hosts trust")):
        if quorum.threshold == 1:
            sys.stderr.write(f"{_PROGRAM}: one signer alone can {power}: for development only\n")
    shown = {"trust_root": str(made.trust_root), "keys": {k: list(v) for k, v in made.keys.items()}}
    lines = [f"trust root (for build-image --trust-root): {made.trust_root}"]
    lines += [f"{role}: {uri}" for role in ("root", "targets") for uri in made.keys[role]]
    _print(options, shown, [*lines, f"online: {made.keys['timestamp'][0]}"])


def _publish(options: argparse.Namespace, world: MirrorWorld) -> None:
    keys = _keys(options)
    built = read(options.release)
    done = publish(options.repository, built, keys, world.clock, world.sign_release)
    what = f"{done.release.image} {done.release.version} ({done.release.architecture})"
    line = f"published {what}, {done.full.size} bytes" if done.changed else f"{what} is published"
    shown = {
        "image": done.release.image,
        "version": str(done.release.version),
        "size": done.full.size,
        "sha256": done.full.sha256,
        "payloads": [asdict(payload) for payload in done.payloads],
        "changed": done.changed,
    }
    _print(options, shown, [line])


def _refresh(options: argparse.Namespace, world: MirrorWorld) -> None:
    signed = refresh(
        options.repository,
        _keys(options),
        world.clock,
        clock_is_right=options.clock_is_right,
    )
    _print(options, {"signed": list(signed)}, [f"re-signed: {', '.join(signed)}"])


def _status(options: argparse.Namespace, world: MirrorWorld) -> None:
    found = status(options.repository, world.clock.now())
    _print(options, status_to_json(found), _status_lines(found))


def _serve(options: argparse.Namespace, world: MirrorWorld) -> None:
    def announce(url: str) -> None:
        _print(options, {"event": "serving", "url": url}, [url])

    limits = Limits(options.connections, options.per_client)
    world.serve(options.repository, Listen.parse(options.listen), announce, limits)


def _status_lines(found: Status) -> list[str]:
    lines = [
        f"{offer.release.image:<12} {offer.release.architecture:<8} {offer.release.platform:<8}"
        f" {offer.release.version!s:<9} {offer.full.size:>12} bytes"
        for offer in found.releases
    ]
    lines += [
        f"{role.role:<10} version {role.version:<4} expires {role.expires:%Y-%m-%d %H:%M} UTC"
        f"  {role.threshold} of {len(role.keys)} keys"
        for role in found.roles
    ]
    return lines + [f"warning: {warning}" for warning in found.warnings]


def _print(options: argparse.Namespace, machine: object, people: Sequence[str]) -> None:
    lines = [json.dumps(machine)] if options.json else people
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _keys(options: argparse.Namespace) -> list[SigningKey]:
    online = options.online_key or f"file:{_online_key(options.repository)}"
    return [load_key(uri, repository=options.repository) for uri in (*options.key, online)]


def _online_key(repository: Path) -> Path:
    """Beside the directory itself, else beside the link it was named by."""
    places = [_key_directory(repository), Path(f"{repository.absolute()}.keys")]
    found = (place / ONLINE_KEY for place in places)
    return next((path for path in found if os.access(path, os.F_OK)), places[0] / ONLINE_KEY)


def _key_directory(repository: Path) -> Path:
    """Where keys lie, however the repository was named: relative, by a link, with dots."""
    whole = Path(os.path.realpath(repository))
    if not whole.name:
        raise InvalidInput(
            f"{repository} cannot be a repository", hint="name a directory of its own"
        )
    return whole.with_name(f"{whole.name}.keys")


def _days(text: str) -> tuple[str, int]:
    role, _, days = text.partition("=")
    if not (days.isascii() and days.isdecimal()):
        raise InvalidInput(f"cannot read --expires {text!r}", hint="write timestamp=7")
    return role, int(days)


if __name__ == "__main__":
    sys.exit(main())
