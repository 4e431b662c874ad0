"""Users and their keys.

A user that the image or an operator made keeps what it has: only its password
(once) and its keys are ours to set. Taking a user out of the document takes
away its keys, never the user: files may belong to it.
"""

from __future__ import annotations

from cloud_config.apply.context import CHANGED, UNCHANGED, Context, Done
from cloud_config.apply.keyblocks import with_block
from cloud_config.planning.actions import AuthorizeKeys, EnsureUser
from hostio.files.guardedtree import Kind, Owner
from hostio.system.accounts import Account, NewAccount
from osmodel.faults import InvalidInput

_LONGEST_KEYS = 1 << 20  # bytes of an authorized_keys file
_MAKING, _MADE = "making", "made"
_NOT_IN_NAMES = ("/", ",")


def ensure(action: EnsureUser, context: Context) -> Done:
    """Make the user if there is none, and set its password once per instance.

    Raises:
        InvalidInput: groups are missing; the user is made nevertheless.
    """
    progress = context.once(f"user-{action.name}")
    account = context.world.accounts.user(action.name)
    if account is not None and progress.read() == _MAKING:
        # Power failed while it was made, and how far that came is unknown.
        context.world.accounts.remove(action.name)
        account = None
    missing: tuple[str, ...] = ()
    if account is None:
        wanted, missing = _new_account(action, context)
        progress.write(_MAKING)
        context.world.accounts.add(wanted)
        context.once(f"password-{action.name}").remove()
        changed = True
    else:
        changed = False
    changed |= _set_password(action, context)
    if progress.read() == _MAKING:
        progress.write(_MADE)
    if missing:
        raise InvalidInput(f"not on this machine, user made without: {', '.join(missing)}")
    return CHANGED if changed else UNCHANGED


def authorize(action: AuthorizeKeys, context: Context) -> Done:
    """Make these the keys of this origin in the user's file.

    Raises:
        InvalidInput: no such user, or something else than a file in its place.
    """
    account = context.world.accounts.user(action.user)
    if account is None:
        context.record = context.record.without_keys(action.user, action.origin)
        if not action.keys:
            return UNCHANGED
        raise InvalidInput(f"no user {action.user!r} on this machine")
    if any("\n" in key or "\r" in key for key in action.keys):
        raise InvalidInput(f"a key of {action.user!r} is more than one line")
    changed = _write_keys(action, account, context)
    if action.keys:
        context.record = context.record.with_keys(action.user, action.origin)
    else:
        context.record = context.record.without_keys(action.user, action.origin)
    return CHANGED if changed else UNCHANGED


def _new_account(action: EnsureUser, context: Context) -> tuple[NewAccount, tuple[str, ...]]:
    """What to make, and the groups that are not there to be joined."""
    accounts = context.world.accounts
    asked = tuple(dict.fromkeys(action.groups))
    bad = [name for name in (action.name, *asked) if any(c in name for c in _NOT_IN_NAMES)]
    if bad:
        raise InvalidInput(f"not a name: {bad[0]!r}")
    known = tuple(name for name in asked if accounts.group(name) is not None)
    missing = tuple(f"group {name!r}" for name in asked if name not in known)
    primary = action.primary_group
    if primary and accounts.group(primary) is None and not primary.isdecimal():
        missing, primary = (*missing, f"primary group {primary!r}"), ""
    if not primary and not action.no_user_group and accounts.group(action.name) is not None:
        primary = action.name  # a group of that name is there: the user's own, then
    wanted = NewAccount(
        action.name,
        gecos=action.gecos,
        home=action.homedir,
        make_home=not action.no_create_home,
        primary_group=primary,
        groups=known,
        own_group=not action.no_user_group and not primary,
        system=action.system,
        log_init=not action.no_log_init,
        shell=action.shell,
    )
    return wanted, missing


def _set_password(action: EnsureUser, context: Context) -> bool:
    """Once per instance: a password that its owner changed later stays."""
    progress = context.once(f"password-{action.name}")
    if action.passwd is None or progress.read() is not None:
        return False
    context.world.accounts.set_password(action.name, action.passwd)
    progress.write(_MADE)
    return True


def _write_keys(action: AuthorizeKeys, account: Account, context: Context) -> bool:
    tree = context.world.tree
    home = account.home.rstrip("/")
    path, owner = f"{home}/.ssh/authorized_keys", Owner(account.user, account.group)
    there = tree.look(path)
    if there is not None and there.kind is not Kind.FILE:
        # Following the user's link would let root write wherever it points.
        raise InvalidInput(f"{path}: a {there.kind}, not a file")
    text = (tree.read(path, _LONGEST_KEYS + 1) or b"").decode(errors="surrogateescape")
    if len(text) > _LONGEST_KEYS:
        raise InvalidInput(f"{path}: longer than {_LONGEST_KEYS} bytes")
    wanted = with_block(text, action.origin, action.keys)
    if wanted == text:
        return False
    if home.count("/") > 1:  # /root is the image's own
        tree.make_directory(home, 0o700, owner)
    tree.make_directory(f"{home}/.ssh", 0o700, owner)
    mode, keeper = (there.mode, there.owner) if there else (0o600, owner)
    tree.put(path, wanted.encode(errors="surrogateescape"), mode, keeper)
    return True
