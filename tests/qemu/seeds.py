"""User data for the first-boot scenarios."""

from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

from builder.machine.world import MachineWorld
from hostio.system.runner import Command

PASSWORD = "secret"
# openssl passwd -6 -salt saltsalt secret
_HASH = (
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN"
    ".Pq.H91p5hVO1"
)

_DOCUMENT = """#cloud-config
hostname: {name}
timezone: Europe/Berlin
users:
  - name: keeper
    passwd: {hash}
    groups: [systemd-journal]
    ssh-authorized-keys:
      - {key}
write_files:
  - path: /etc/example/settings.conf
    permissions: "0640"
    owner: keeper:systemd-journal
    content: |
      name = {name}
      address = {address}
{more_files}coreos:
  update:
    group: beta
    reboot-strategy: "off"
  etcd2:
    name: {name}
    heartbeat-interval: 250
    election-timeout: 2500
    data-dir: /var/lib/etcd/{name}
  units:
    - name: etcd2.service
      command: start
    - name: greeting.service
      command: start
      enable: true
      content: |
        [Unit]
        Description=Says what it is given
        [Service]
        Type=oneshot
        RemainAfterExit=yes
        ExecStart=/bin/sh -c 'cat /etc/example/settings.conf > /run/greeting'
        [Install]
        WantedBy=multi-user.target
    - name: ssh.service
      drop-ins:
        - name: 50-example.conf
          content: |
            [Service]
            Environment=EXAMPLE={name}
"""

_FIRST_FILE = """  - path: /var/lib/example/first-only
    encoding: gz+b64
    content: H4sIAAAAAAAC/8tIzcnJVyjPL8pJ4QIALTsIrwwAAAA=
"""

SCRIPT = """#!/bin/sh
echo "$(hostname)" >> /var/lib/script-ran
"""

BROKEN = """#cloud-config
hostname: broken-but-up
users:
  - name: keeper
    ssh_authorized_keys: [{key}]
  - name: "not a name"
write_files:
  - path: /usr/lib/systemd/system/evil.service
    content: no
  - path: /etc/example/good
    content: good
  - path: /etc/example/undecodable
    encoding: base64
    content: "%%%"
coreos:
  units:
    - name: fails.service
      command: start
      content: |
        [Service]
        ExecStart=/bin/false
  unknown: 1
no-such-key: 1
"""


def document(name: str, key: str, *, address: str = "none", first: bool = False) -> bytes:
    """A document with a bit of everything.

    Args:
        name: of the host, and in everything else.
        key: for the user ``keeper``.
        address: in a file; ``$private_ipv4`` becomes the machine's.
        first: with a file that later documents do not have.
    """
    more = _FIRST_FILE if first else ""
    text = _DOCUMENT.format(name=name, hash=_HASH, key=key, address=address, more_files=more)
    return text.encode()


def with_script(text: bytes) -> bytes:
    """A document and a script as one multipart MIME message."""
    archive = MIMEMultipart()
    archive.attach(MIMEText(text.decode(), "cloud-config"))
    archive.attach(MIMEText(SCRIPT, "x-shellscript"))
    return archive.as_bytes()


def nocloud_iso(world: MachineWorld, directory: Path, name: str, user_data: bytes) -> Path:
    """An ISO 9660 medium labelled ``cidata`` whose instance has that name."""
    place = directory / name
    place.mkdir()
    (place / "user-data").write_bytes(user_data)
    (place / "meta-data").write_text(f"instance-id: {name}\nlocal-hostname: unused\n")
    image = directory / f"{name}.iso"
    options = ("-quiet", "-V", "cidata", "-J", "-r", "-o", str(image), str(place))
    world.tools.runner((directory,)).run(Command(("xorrisofs", *options)))
    return image
