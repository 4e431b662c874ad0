"""Rules about a document that the table of keys cannot express.

Source: coreos-cloudinit, config/validate/rules.go (checkDiscoveryUrl,
checkEncoding, checkWriteFiles, checkWriteFilesUnderCoreos).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloud_config.document import sshkeys
from cloud_config.document.checked import Table
from cloud_config.document.findings import Finding, Level
from cloud_config.document.yamlnodes import Mapping

# What Go's url.ParseRequestURI takes: an absolute URI or an absolute path.
_REQUEST_URI = re.compile(r"\A([A-Za-z][A-Za-z0-9+.-]*:|/)[^\s\x00-\x1f\x7f]*\Z")
_HASH = re.compile(r"\A([!*]*|[!]?\$[A-Za-z0-9_.-]+\$\S+|[!]?[A-Za-z0-9./]{13})\Z")


def tree_rules(root: Mapping) -> Iterator[Finding]:
    """Remarks about keys at a place where they do nothing."""
    line, coreos = root.entries.get("coreos", (0, None))
    if isinstance(coreos, Mapping) and "write_files" in coreos.entries:
        line = coreos.entries["write_files"][0]
        yield Finding(line, Level.INFO, "write_files doesn't belong under coreos")


def group_rules(document: Table) -> Iterator[Finding]:
    """Remarks about values that are allowed but will not do what was wanted."""
    coreos = document.group("coreos")
    for name in ("etcd", "etcd2"):
        options = coreos.group(name) if coreos else None
        url = options.text("discovery") if options else ""
        if options and url and not _REQUEST_URI.match(url):
            yield Finding(options.lines["discovery"], Level.WARNING, "discovery URL is not valid")
    for user in document.groups("users"):
        if not _HASH.match(user.text("passwd")):
            message = "passwd does not look like a hash of crypt(3)"
            yield Finding(user.lines["passwd"], Level.WARNING, message)
    yield from _key_rules(document)


def _key_rules(document: Table) -> Iterator[Finding]:
    for owner in (document, *document.groups("users")):
        for key in owner.items("ssh_authorized_keys"):
            if "PRIVATE KEY" in key.text:
                yield Finding(key.line, Level.ERROR, "ssh_authorized_keys holds a private key")
                continue
            for line in key.text.splitlines():
                if why := sshkeys.complaint(line):
                    message = f"a line of ssh_authorized_keys {why}"
                    yield Finding(key.line, Level.WARNING, message, "")
