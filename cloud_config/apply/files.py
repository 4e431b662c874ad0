"""Files and links: written when they differ, taken away when they are still ours."""

from __future__ import annotations

from typing import NamedTuple

from cloud_config.apply.context import CHANGED, UNCHANGED, Context, Done, done
from cloud_config.apply.entries import of_entry
from cloud_config.planning.actions import LinkFile, PutFile, RemoveFile
from cloud_config.planning.record import Written, of_content, of_link
from cloud_config.state.report import Outcome
from hostio.files.guardedtree import ROOT, Entry, Kind, Owner
from hostio.system.accounts import Accounts
from osmodel.faults import HostFailure, InvalidInput

_LONGEST_DEFAULT = 1 << 20  # bytes; the largest file below /etc of any image has a tenth

_LARGEST_NUMBER = (1 << 32) - 2  # of a user or group; the next one means "nobody"


class Access(NamedTuple):
    """Who may do what with a file."""

    mode: int
    owner: Owner


def put(action: PutFile, context: Context) -> Done:
    """Write a file unless content, mode and owner are right."""
    owner = owner_of(action.owner, context.world.accounts)
    return put_content(
        action.path, action.content, Access(action.mode, owner), action.origin, context
    )


def put_content(path: str, content: bytes, access: Access, origin: str, context: Context) -> Done:
    """The same for content of our own."""
    mode, owner = access
    wanted = of_content(content)
    found = context.world.tree.look(path)
    if found is None or (of_entry(found), found.mode, found.owner) != (wanted, mode, owner):
        context.world.tree.put(path, content, mode, owner)
        context.note_change(path, origin)
        ours = Done(Outcome.CHANGED, _about_drift(found, path, context))
    else:
        ours = UNCHANGED
    context.record = context.record.with_file(path, Written(origin, (wanted,)))
    return ours


def link(action: LinkFile, context: Context) -> Done:
    """Make a symbolic link unless it is there."""
    return put_link(action.path, action.target, action.origin, context)


def put_link(path: str, target: str, origin: str, context: Context) -> Done:
    """The same for a link of our own."""
    wanted = of_link(target)
    changed = of_entry(context.world.tree.look(path)) != wanted
    if changed:
        context.world.tree.link(path, target)
        context.note_change(path, origin)
    context.record = context.record.with_file(path, Written(origin, (wanted,)))
    return done(changed=changed)


def remove(action: RemoveFile, context: Context) -> Done:
    """Take away what we wrote; what the image has in its place comes back.

    A bare deletion would not do below /etc: it hides the image's file as well.
    """
    written = context.record.files.get(action.path)
    if written is None:
        return Done(Outcome.LEFT, "not written by cloud-config")
    found = context.world.tree.look(action.path)
    if found is not None and not written.may_be(of_entry(found)):
        if of_entry(found) == of_entry(_default(action.path, context)):  # given back before a cut
            context.record = context.record.without_file(action.path, of_entry(found))
            return UNCHANGED
        context.record = context.record.without_file(action.path)
        return Done(Outcome.LEFT, "changed by hand since; no longer in the document")
    default = _restore(action.path, context)
    context.record = context.record.without_file(action.path, default)
    if found is None and not default:
        return UNCHANGED
    context.note_change(action.path, action.origin)
    return Done(Outcome.CHANGED, "as in the image again") if default else CHANGED


def refresh_defaults(context: Context) -> None:
    """Let files that we gave back to the image follow its updates."""
    for path, given in list(context.record.defaults.items()):
        if of_entry(context.world.tree.look(path)) != given:
            context.record = context.record.without_file(path)  # an operator's own by now
        elif of_entry(_default(path, context)) != given:
            context.record = context.record.without_file(path, _restore(path, context))


def owner_of(text: str, accounts: Accounts) -> Owner:
    """Numbers for ``user``, ``user:group``, ``user:`` or numbers in their place.

    As chown(1): without a colon the group stays root's, with nothing behind it
    it is the user's own.

    Raises:
        InvalidInput: there is no such user or group.
    """
    if not text:
        return ROOT
    user, colon, group = text.partition(":")
    account = accounts.user(user)
    number = account.user if account else _number(user, "user")
    if colon and not group:
        return Owner(number, account.group if account else 0)
    found = accounts.group(group) if group else 0
    return Owner(number, _number(group, "group") if found is None else found)


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_NUMBER:
        raise InvalidInput(f"no {what} {text!r} on this machine")
    return int(text)


def _about_drift(found: Entry | None, path: str, context: Context) -> str:
    """What to say when we write over what is no longer as we wrote it."""
    written = context.record.files.get(path)
    if written is None or found is None or written.may_be(of_entry(found)):
        return ""
    return "it had been changed by hand"


def _default(path: str, context: Context) -> Entry | None:
    """The image's own file or link at a path below /etc."""
    if not path.startswith("/etc/"):
        return None
    with context.world.image() as image:
        found = image.look(path)
    return found if found is not None and found.kind in (Kind.FILE, Kind.LINK) else None


def _restore(path: str, context: Context) -> str:
    """Put the image's content at a path; returns its fingerprint, empty if it has none."""
    default = _default(path, context)
    if default is None:
        context.world.tree.remove(path)
    elif default.kind is Kind.LINK:
        context.world.tree.link(path, default.target)
    else:
        with context.world.image() as image:
            content = image.read(path, _LONGEST_DEFAULT)
        if content is None or of_content(content) != of_entry(default):
            raise HostFailure(f"{path}: the image's own file cannot be read")
        context.world.tree.put(path, content, default.mode, default.owner)
    return of_entry(default)
