"""Users and the keys that may log in as them.

The keys of the platform stay apart from the document's: either can go without
the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from cloud_config.document import sshkeys
from cloud_config.document.findings import Finding, Level
from cloud_config.document.users import Account, User
from cloud_config.planning.actions import Action, AuthorizeKeys, EnsureUser
from cloud_config.planning.escaping import line
from cloud_config.planning.share import WHOLE, Share
from osmodel.faults import InvalidInput

LOGIN_USER = "core"
"""Whom the keys at the top of a document belong to; the image has this user."""


def users(items: Sequence[User]) -> Share:
    """Each user with its keys, in the order of the document."""
    actions: list[Action] = []
    findings: list[Finding] = []
    for item in items:
        account = {field.name: getattr(item, field.name) for field in fields(Account)}
        actions.append(EnsureUser(**account))
        keys, complaints = _keys(item.ssh_authorized_keys, "users", item.line)
        findings += complaints
        if keys:
            actions.append(AuthorizeKeys(item.name, keys, "users"))
    return Share(files=tuple(actions), findings=tuple(findings))


def login_keys(document: Sequence[str], platform: Sequence[str]) -> Share:
    """The keys for ``core``: the document's and the platform's."""
    actions: list[Action] = []
    findings: list[Finding] = []
    for origin, given in (("ssh_authorized_keys", document), ("metadata", platform)):
        keys, complaints = _keys(given, origin, WHOLE)
        findings += complaints
        if origin == "metadata":  # the document's were looked at where they are read
            doubtful = (sshkeys.complaint(key) for key in keys)
            findings += [
                Finding(WHOLE, Level.WARNING, f"metadata: a key {why}") for why in doubtful if why
            ]
        if keys:
            actions.append(AuthorizeKeys(LOGIN_USER, keys, origin))
    return Share(files=tuple(actions), findings=tuple(findings))


def _keys(
    given: Sequence[str], origin: str, line_number: int
) -> tuple[tuple[str, ...], list[Finding]]:
    """Keys of one line each; a text of several lines is that many keys, as sshd reads it."""
    keys: list[str] = []
    findings: list[Finding] = []
    for text in given:
        for key in text.splitlines():
            try:
                line(key)
            except InvalidInput as fault:
                message = f"{origin}: a key {fault}; it is left out"
                findings.append(Finding(line_number, Level.ERROR, message))
            else:
                keys.append(key.strip())
    return tuple(dict.fromkeys(filter(None, keys))), findings
