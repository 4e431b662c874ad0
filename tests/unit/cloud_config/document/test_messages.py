"""The findings of a document are those of coreos-cloudinit's validator.

The cases state its behaviour as its own tests do; documents here are complete
enough that nothing else is to be said about them.
"""

from collections.abc import Iterator

import pytest

from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.findings import Level
from cloud_config.document.interpreting import interpret
from cloud_config.document.keys import Fields, Items, Leaf, Shape
from cloud_config.document.reading import read
from cloud_config.document.substitution import SAMPLES
from cloud_config.document.suggesting import distance


def findings(text: str) -> list[str]:
    return [str(finding) for finding in read(text).findings]


def originally(text: str) -> list[str]:
    """As coreos-cloudinit would have said it."""
    return [finding.in_original_words for finding in read(text).findings]


FILE = "write_files:\n  - path: /etc/x\n"

SILENT = {
    "nothing": "",
    "only comments": "#cloud-config\n# nothing\n",
    "a name": "hostname: test\n",
    "a number as text": "hostname: 4\n",
    "a boolean as text": "hostname: true\n",
    "an empty value": 'hostname: ""\n',
    "a list of keys": "ssh_authorized_keys:\n  - key\n",
    "a user": "users:\n  - name: good\n",
    "an octal mode": f"{FILE}    permissions: 0744\n",
    "a quoted octal mode": f"{FILE}    permissions: '0744'\n",
    "a mode without zero": f"{FILE}    permissions: 744\n",
    "a quoted mode without zero": f"{FILE}    permissions: '744'\n",
    "four digits": f"{FILE}    permissions: '04755'\n",
    "plain base64": f"{FILE}    encoding: base64\n    content: aGVsbG8K\n",
    "base64 over lines": f"{FILE}    encoding: b64\n    content: |\n      aGVs\n      bG8K\n",
    "bytes": f"{FILE}    content: !!binary aGVsbG8K\n",
    "base64 as bytes": f"{FILE}    encoding: base64\n    content: !!binary YUdWc2JHOEsK\n",
    "gzip as bytes": f"{FILE}    encoding: gzip\n"
    "    content: !!binary H4sIAOC3tVQAA8tIzcnJ5wIAIDA6NgYAAAA=\n",
    "gzip in base64": f"{FILE}    encoding: gz+b64\n"
    "    content: H4sIAOC3tVQAA8tIzcnJ5wIAIDA6NgYAAAA=\n",
    "off is a word": "coreos:\n  update:\n    reboot-strategy: off\n",
    "an integer": "coreos:\n  fleet:\n    verbosity: 2\n",
    "an integer as a float": "coreos:\n  fleet:\n    etcd_request_timeout: 2\n",
    "a flag": "coreos:\n  units:\n    - name: a.service\n      enable: yes\n",
    "a discovery URL": "coreos:\n  etcd2:\n    discovery: https://discovery.etcd.io/00\n",
    "another discovery URL": "coreos:\n  etcd2:\n    discovery: http://custom.domain/mytoken\n",
    "a window": 'coreos:\n  locksmith:\n    window-start: "Thu 04:00"\n    window-length: 1h30m\n',
    "a window without a day": 'coreos:\n  locksmith:\n    window_start: "4:00"\n',
    "a day in capitals": 'coreos:\n  locksmith:\n    window_start: "SUN 23:59"\n',
    "hosts": "manage_etc_hosts: localhost\n",
    "merged keys": "users:\n  - &a {name: a, shell: /bin/sh}\n  - <<: *a\n    name: b\n",
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_nothing_is_said_about_a_correct_document(text: str) -> None:
    assert not any(originally(text))


WARNINGS = [
    ("test:\n", 'line 1: warning: unrecognized key "test"'),
    ("coreos:\n  flannel:\n    bad:\n", 'line 3: warning: unrecognized key "bad"'),
    ("hostname:\n", 'line 1: warning: incorrect type for "hostname" (want string)'),
    ("hostname:\n  name:\n", 'line 1: warning: incorrect type for "hostname" (want string)'),
    ("hostname:\n  - name\n", 'line 1: warning: incorrect type for "hostname" (want string)'),
    ("coreos: true\n", 'line 1: warning: incorrect type for "coreos" (want struct)'),
    ("coreos: 4\n", 'line 1: warning: incorrect type for "coreos" (want struct)'),
    ("coreos:\n  - hello\n", 'line 1: warning: incorrect type for "coreos" (want struct)'),
    (
        "ssh_authorized_keys: key\n",
        'line 1: warning: incorrect type for "ssh_authorized_keys" (want []string)',
    ),
    (
        "ssh-authorized-keys:\n  key: value\n",
        'line 1: warning: incorrect type for "ssh_authorized_keys" (want []string)',
    ),
    (
        "ssh_authorized_keys:\n  - key: value\n",
        'line 2: warning: incorrect type for "ssh_authorized_keys[0]" (want string)',
    ),
    ("users:\n  true\n", 'line 1: warning: incorrect type for "users" (want []struct)'),
    ("users:\n  bad:\n", 'line 1: warning: incorrect type for "users" (want []struct)'),
    (
        "users:\n  - name: hi\n  - true\n",
        'line 3: warning: incorrect type for "users[1]" (want struct)',
    ),
    ("users:\n  - - bad\n", 'line 2: warning: incorrect type for "users[0]" (want struct)'),
    (
        "coreos:\n  units:\n    - name: a.service\n      enable: 4\n",
        'line 4: warning: incorrect type for "enable" (want bool)',
    ),
    (
        'coreos:\n  units:\n    - name: a.service\n      enable: "true"\n',
        'line 4: warning: incorrect type for "enable" (want bool)',
    ),
    (
        "coreos:\n  units:\n    - name: a.service\n      enable:\n      - bad\n",
        'line 4: warning: incorrect type for "enable" (want bool)',
    ),
    (
        "coreos:\n  fleet:\n    verbosity: high\n",
        'line 3: warning: incorrect type for "verbosity" (want int)',
    ),
    (
        "coreos:\n  fleet:\n    etcd_request_timeout: soon\n",
        'line 3: warning: incorrect type for "etcd_request_timeout" (want float64)',
    ),
    ("coreos:\n  etcd2:\n    discovery: disco\n", "line 3: warning: discovery URL is not valid"),
    (
        "coreos:\n  etcd2:\n    ca_file: /x\n",
        (
            'line 3: warning: deprecated key "ca_file" '
            "(ca_file obsoleted by trusted_ca_file and client_cert_auth)"
        ),
    ),
    (
        "users:\n  - name: a\n    coreos-ssh-import-github: b\n",
        (
            'line 3: warning: deprecated key "coreos_ssh_import_github" '
            "(trying to fetch from a remote endpoint introduces too many intermittent errors)"
        ),
    ),
]


@pytest.mark.parametrize(("text", "message"), WARNINGS)
def test_what_is_left_out_is_a_warning(text: str, message: str) -> None:
    assert originally(text) == [message]


ERRORS = [
    (
        "coreos:\n  units:\n    - name: a.service\n      command: lol\n",
        "line 4: error: invalid value lol",
    ),
    ("coreos:\n  update:\n    reboot_strategy: always\n", "line 3: error: invalid value always"),
    ("coreos:\n  update:\n    reboot-strategy: false\n", "line 3: error: invalid value false"),
    (
        "coreos:\n  update:\n    reboot-strategy: best-effort\n",
        "line 3: error: invalid value best-effort",
    ),
    ("manage_etc_hosts: true\n", "line 1: error: invalid value true"),
    (f"{FILE}    permissions: u+x\n", "line 3: error: invalid value u+x"),
    (f"{FILE}    permissions: '8'\n", "line 3: error: invalid value 8"),
    ('coreos:\n  locksmith:\n    window_start: "25:00"\n', "line 3: error: invalid value 25:00"),
    ("coreos:\n  locksmith:\n    window_length: long!\n", "line 3: error: invalid value long!"),
    ("coreos:\n  etcd2:\n    proxy: yes\n", "line 3: error: invalid value yes"),
    (
        f"{FILE}    encoding: base64\n    content: !!binary aGVsbG8K\n",
        'line 4: error: content cannot be decoded as "base64"',
    ),
    (
        f"{FILE}    encoding: gzip\n    content: no gzip\n",
        'line 4: error: content cannot be decoded as "gzip"',
    ),
    (
        f"{FILE}    encoding: gzip+base64\n    content: aGVsbG8K\n",
        'line 4: error: content cannot be decoded as "gzip+base64"',
    ),
    (
        "write_files:\n  - path: /usr/invalid\n",
        "line 2: error: file cannot be written to a read-only filesystem",
    ),
    (
        "write-files:\n  - content: x\n    path: /tmp/../usr/invalid\n",
        "line 3: error: file cannot be written to a read-only filesystem",
    ),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_what_cannot_be_done_is_an_error(text: str, message: str) -> None:
    assert originally(text) == [message]


def test_an_unknown_encoding_is_no_value_and_decodes_nothing() -> None:
    assert originally(f"{FILE}    encoding: custom\n    content: hello\n") == [
        "line 3: error: invalid value custom",
        'line 4: error: content cannot be decoded as "custom"',
    ]


@pytest.mark.parametrize("key", ["write_files", "write-files"])
def test_files_below_coreos_are_pointed_out(key: str) -> None:
    said = findings(f"coreos:\n  {key}:\n    - path: /etc/x\n")
    assert said[0] == "line 2: info: write_files doesn't belong under coreos"
    assert said[1].startswith('line 2: warning: unrecognized key "write_files"')


SYNTAX = [
    ("\t", "line 1: error: found character that cannot start any token"),
    ("a:\na", "line 2: error: could not find expected ':'"),
    ("#hello\na:\na", "line 3: error: could not find expected ':'"),
    ("a: 1\nfoo\nbar: 1\nbaz: 2\n", "line 2: error: could not find expected ':'"),
    ("a: [1,\n2\nb: 3", "line 3: error: did not find expected ',' or ']'"),
    ("a:\n  - b\n c: d", "line 3: error: did not find expected key"),
    ("- a\nb: c", "line 2: error: did not find expected '-' indicator"),
    ("a: b: c", "line 1: error: mapping values are not allowed in this context"),
    ("\na: *x", "line 2: error: unknown anchor 'x' referenced"),
    ("a: 1\nb: \x07", "line 2: error: control characters are not allowed"),
]


@pytest.mark.parametrize(("text", "message"), SYNTAX)
def test_a_syntax_error_has_its_line_and_the_words_of_libyaml(text: str, message: str) -> None:
    assert findings(text) == [message]


WORDED = [
    (
        "coreos: {update: {reboot_strategy: always}}\n",
        'invalid value always for "reboot_strategy" (allowed: etcd-lock, reboot, off)',
    ),
    ("manage_etc_hosts: true\n", 'invalid value true for "manage_etc_hosts" (allowed: localhost)'),
    (f"{FILE}    permissions: 384\n", 'for "permissions" (allowed: octal digits such as "0644")'),
    (f"{FILE}    permissions: u=rw,g=r\n", 'for "permissions" (allowed: octal digits such as'),
    (f"{FILE}    permissions: 0o644\n", 'for "permissions" (allowed: octal digits such as "0644"'),
    ('hostname: "edge-{{ trunc 4 .ID }}"\n', "(was a template not filled in?)"),
    ("hostname: ${NAME}\n", "(was a template not filled in?)"),
    ("users: {name: a}\n", '"users" (want a list of tables, each after "- ")'),
    ("users:\n  - name: a\n    groups: a, b\n", '"groups" (want a list, each item after "- "'),
    ('coreos:\n  units: [{name: a.service, enable: "true"}]\n', "(want true or false, without"),
    ("users: [default]\n", '"users[0]" (the user core is there without it)'),
]


@pytest.mark.parametrize(("text", "words"), WORDED)
def test_a_finding_names_the_key_and_what_is_allowed(text: str, words: str) -> None:
    (said,) = findings(text)
    assert words in said


def every_leaf(shape: Shape) -> Iterator[Leaf]:
    match shape:
        case Leaf():
            yield shape
        case Items(item=item):
            yield from every_leaf(item)
        case Fields(keys=keys):
            for key in keys:
                yield from every_leaf(key.shape)


def test_every_pattern_is_described() -> None:
    assert not [leaf for leaf in every_leaf(DOCUMENT) if leaf.pattern and not leaf.allowed]


HINTS = [
    ("hostnme: x\n", 'unrecognized key "hostnme" (did you mean "hostname"?)'),
    ("users:\n  - name: a\n    pass: x\n", 'unrecognized key "pass" (did you mean "passwd"?)'),
    ("units: []\n", 'unrecognized key "units" (did you mean "coreos.units"?)'),
    ("reboot-strategy: off\n", '"reboot_strategy" (did you mean "coreos.update.reboot_strategy"?)'),
    ("coreos:\n  hostname: x\n", 'unrecognized key "hostname" (did you mean "hostname" at the top'),
    ("runcmd: []\n", 'unrecognized key "runcmd" (a key of cloud-init; '),
    ("users:\n  - name: a\n    sudo: yes\n", 'unrecognized key "sudo" (a key of cloud-init; '),
    ("boot_cmd: []\n", '"boot_cmd" (a key of k3os; write a unit'),
    ("stages: {}\n", '"stages" (a key of Kairos; '),
    ("password: x\n", '"password" (a key of cloud-init; give users a passwd'),
    ("users:\n  - name: a\n    plain_text_passwd: x\n", "(a key of cloud-init; use passwd, a hash"),
    ("network: {version: 2}\n", "write networkd units in network.units"),
]


COMMON = [
    "apt",
    "bootcmd",
    "chpasswd",
    "disable_root",
    "disk_setup",
    "final_message",
    "fqdn",
    "fs_setup",
    "groups",
    "growpart",
    "locale",
    "mounts",
    "package_update",
    "package_upgrade",
    "packages",
    "password",
    "phone_home",
    "power_state",
    "preserve_hostname",
    "resize_rootfs",
    "runcmd",
    "snap",
    "ssh_deletekeys",
    "ssh_genkeytypes",
    "ssh_import_id",
    "ssh_keys",
    "ssh_pwauth",
    "swap",
    "user",
    "yum_repos",
]


@pytest.mark.parametrize("key", COMMON)
def test_a_key_that_people_use_with_cloud_init_has_advice(key: str) -> None:
    (said,) = findings(f"{key}: x\n")
    assert "a key of cloud-init; " in said


@pytest.mark.parametrize("key", ["name", "path", "options", "token", "sysctl", "labels", "zone"])
def test_what_may_mean_anything_gets_no_suggestion(key: str) -> None:
    (said,) = findings(f"{key}: x\n")
    assert "did you mean" not in said


@pytest.mark.parametrize(
    ("name", "other", "slips"),
    [("a", "a", 0), ("hostnme", "hostname", 1), ("nmae", "name", 1), ("stages", "storage", 3)],
)
def test_slips_of_a_finger_are_counted(name: str, other: str, slips: int) -> None:
    assert distance(name, other) == distance(other, name) == slips


@pytest.mark.parametrize("extra", ["append: true", "source: {uri: https://example.com/x}"])
def test_a_file_that_would_become_another_is_left_out(extra: str) -> None:
    reading = read(f"{FILE}    content: x\n    {extra}\n  - path: /etc/ok\n")
    assert [file.path for file in reading.document.write_files] == ["/etc/ok"]
    (said,) = reading.findings
    assert "here the file would be" in said.message
    assert said.in_original_words.startswith("line 4: error: unrecognized key")


def test_a_file_that_is_not_appended_to_is_written() -> None:
    reading = read(f"{FILE}    append: false\n    defer: true\n")
    assert [file.path for file in reading.document.write_files] == ["/etc/x"]
    assert not reading.has_errors


@pytest.mark.parametrize(("text", "hint"), HINTS)
def test_a_hint_says_what_may_have_been_meant(text: str, hint: str) -> None:
    (said,) = findings(text)
    assert hint in said
    assert ": warning: " in said


def test_a_key_given_twice_is_told_and_the_last_one_counts() -> None:
    reading = read("hostname: a\nhost-name: b\nhostname: c\n")
    assert reading.document.hostname == "c"
    assert str(reading.findings[1]) == (
        'line 3: warning: duplicate key "hostname" (the last one counts)'
    )


def test_a_list_given_twice_is_joined() -> None:
    reading = read(
        f"{FILE}hostname: a\nwrite-files:\n  - path: /etc/y\nwrite_files: [{{path: /etc/z}}]\n"
    )
    assert [file.path for file in reading.document.write_files] == ["/etc/x", "/etc/y", "/etc/z"]
    assert [str(finding) for finding in reading.findings] == [
        'line 4: warning: duplicate key "write_files" (the lists are joined)',
        'line 6: warning: duplicate key "write_files" (the lists are joined)',
    ]


def test_a_table_given_twice_is_merged_key_by_key() -> None:
    reading = read(
        "coreos:\n  units: [{name: a.service}]\n  update: {group: a, server: b}\n"
        "coreos:\n  units: [{name: b.service}]\n  update: {group: c}\n"
    )
    coreos = reading.document.coreos
    assert [unit.name for unit in coreos.units] == ["a.service", "b.service"]
    assert coreos.update == {"group": "c", "server": "b"}
    assert [finding.message for finding in reading.findings] == [
        'duplicate key "coreos" (the tables are merged)',
        'duplicate key "units" (the lists are joined)',
        'duplicate key "group" (the last one counts)',
        'duplicate key "update" (the tables are merged)',
    ]


def test_drop_ins_in_both_spellings_are_joined() -> None:
    unit = "coreos:\n  units:\n  - name: a.service\n"
    both = "    drop_ins: [{name: a.conf}]\n    drop-ins: [{name: b.conf}]\n"
    (found,) = read(unit + both).document.coreos.units
    assert [fragment.name for fragment in found.drop_ins] == ["a.conf", "b.conf"]


def test_what_an_alias_stands_for_does_not_grow_by_a_second_list() -> None:
    reading = read(
        "a: &a [{name: x}]\nusers: *a\nusers: [{name: y}]\nusers: [{name: z}]\nb: *a\n"
        "coreos: {units: *a}\n"
    )
    assert [user.name for user in reading.document.users] == ["x", "y", "z"]
    assert len([one for one in reading.findings if "no suffix" in one.message]) == 1


TEMPLATES = [
    ("hostname: {{NAME}}\nmanage_etc_hosts: localhost\n", 1),
    ("manage_etc_hosts: localhost\nhostname: {{ .Name }}\n", 2),
    ("ssh_authorized_keys:\n- {{KEY}}\nmanage_etc_hosts: localhost\n", 2),
    ("manage_etc_hosts: localhost\n? [a]\n: b\n", 2),
    ("{{KEY}}: x\n", 1),
]


@pytest.mark.parametrize(("text", "line"), TEMPLATES)
def test_a_template_that_was_not_filled_in_loses_its_own_part(text: str, line: int) -> None:
    reading = read(text)
    error = next(one for one in reading.findings if one.level is Level.ERROR)
    assert error.line == line
    assert error.message.startswith("a key must be a single value")
    assert ("template" in error.message) == ("{{" in text)
    assert reading.document.hostname == ""
    assert reading.document.manage_etc_hosts == ("localhost" if "manage" in text else "")


def test_findings_come_in_the_order_of_lines() -> None:
    said = read("b: 1\ncoreos: {update: {group: [x]}}\na: 1\nmanage_etc_hosts: x\n").findings
    assert [finding.line for finding in said] == [1, 2, 3, 4]


def test_no_secret_is_quoted() -> None:
    text = (
        'users:\n  - name: a\n    passwd: "se:cret"\n    ssh_authorized_keys: secret\n'
        "coreos:\n  locksmith:\n    etcd_password: [secret]\n"
        '  fleet: {etcd_password: "sec\\0ret"}\n'
    )
    said = " ".join(findings(text))
    assert "invalid value for" in said
    assert "secret" not in said.replace("se:cret", "secret")


def test_a_value_in_a_message_is_one_short_line_without_control_characters() -> None:
    (said,) = findings(f'manage_etc_hosts: "\\e[31m\\n{"x" * 500}"\n')
    assert said.startswith("line 1: error: invalid value \\x1b[31m\\x0a")
    assert len(said) < 170


def test_a_document_that_is_a_list_is_an_error() -> None:
    assert findings("- a\n") == ["line 1: error: document is not a mapping of keys to values"]


def test_only_the_first_document_of_a_file_is_read() -> None:
    reading = read("hostname: a\n---\nhostname: b\n")
    assert reading.document.hostname == "a"
    assert reading.findings[0].line == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("users:\n  -\n    name: [x]\n", 3),
        ("users:\n  -\n    true\n", 2),
        ("users:\n\n  - # a comment\n    # another\n    true\n", 3),
        ("users: [\n  true]\n", 2),
        ("users:\n  - &a\n    true\n", 2),
        ("users:\n  -\n\n    # x - y\n    true\n", 2),
        ("a: 1\nusers:\n  - name: a\n  - - x\n", 1),
    ],
)
def test_an_item_is_at_the_line_of_its_dash(text: str, line: int) -> None:
    assert read(text).findings[0].line == line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("users:\n  - gecos: x\n", 'line 2: warning: users[0] has no "name" and is left out'),
        ("write_files:\n  - path: ''\n", 'write_files[0] has no "path" and is left out'),
        ("write_files:\n  - path: etc/x\n", 'path "etc/x" is not absolute'),
        ("write_files:\n  - path: /mnt/x\n", 'path "/mnt/x" is not below /etc, /var, /home'),
        ("coreos:\n  units:\n    - name: stop\n", 'unit name "stop" has no suffix'),
        ("users:\n  - name: a\n    passwd: secret\n", "passwd does not look like a hash"),
    ],
)
def test_what_would_silently_do_nothing_is_told(text: str, message: str) -> None:
    (said,) = findings(text)
    assert message in said
    assert "secret" not in said


def test_variables_are_checked_as_the_addresses_they_will_be() -> None:
    text = b"#cloud-config\nhostname: ip-$private_ipv4\nntp: {servers: [$private_ipv6]}\n"
    assert not interpret(text, SAMPLES).findings
