"""What the guest's firmware tables say: whose machine it is, and strings for systemd.

Clouds are recognised by these names, and systemd takes credentials and further
words of the kernel command line from the vendor strings.

Source: DMTF DSP0134 3.7, sections 7.1 to 7.4 and 7.12; the names are those of
dmidecode(8); systemd.system-credentials(7) and systemd-stub(7), version 257.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from osmodel.faults import InvalidInput

# Name: type of the table, and QEMU's name of the field in it.
_FIELDS: Mapping[str, tuple[int, str]] = {
    "bios-vendor": (0, "vendor"),
    "bios-version": (0, "version"),
    "system-manufacturer": (1, "manufacturer"),
    "system-product-name": (1, "product"),
    "system-version": (1, "version"),
    "system-serial-number": (1, "serial"),
    "system-uuid": (1, "uuid"),
    "system-sku-number": (1, "sku"),
    "system-family": (1, "family"),
    "baseboard-manufacturer": (2, "manufacturer"),
    "baseboard-product-name": (2, "product"),
    "baseboard-serial-number": (2, "serial"),
    "baseboard-asset-tag": (2, "asset"),
    "chassis-manufacturer": (3, "manufacturer"),
    "chassis-serial-number": (3, "serial"),
    "chassis-asset-tag": (3, "asset"),
}
_LONGEST = 64 << 10  # bytes of a credential; Linux passes 128 KiB in one argument


def check(names: Mapping[str, str], credentials: Mapping[str, bytes]) -> None:
    """Refuse what QEMU or Linux would not pass on.

    Raises:
        InvalidInput: a name that no table has, or a credential that is too long.
    """
    for name in names:
        if name not in _FIELDS:
            raise InvalidInput(
                f"no firmware table has {name!r}", hint=f"known: {', '.join(_FIELDS)}"
            )
    for name, value in credentials.items():
        if len(value) > _LONGEST:
            raise InvalidInput(f"credential {name}: {len(value)} bytes, at most {_LONGEST} fit")


def tables(
    names: Mapping[str, str], credentials: Mapping[str, bytes], kernel_args: Sequence[str]
) -> tuple[str, ...]:
    """QEMU's options for the tables.

    Args:
        names: values of the fields above.
        credentials: systemd credentials by name.
        kernel_args: words that the kernel image's stub adds to the command line.
    """
    kinds: dict[int, list[str]] = {}
    for name, value in names.items():
        kind, field = _FIELDS[name]
        kinds.setdefault(kind, []).append(f"{field}={_escaped(value)}")
    options = [f"type={kind},{','.join(fields)}" for kind, fields in sorted(kinds.items())]
    for name, content in sorted(credentials.items()):
        text = base64.b64encode(content).decode()
        options.append(f"type=11,value=io.systemd.credential.binary:{name}={text}")
    if kernel_args:
        words = _escaped(" ".join(kernel_args))
        options.append(f"type=11,value=io.systemd.stub.kernel-cmdline-extra={words}")
    return tuple(part for option in options for part in ("-smbios", option))


def _escaped(value: str) -> str:
    """A value in QEMU's comma-separated options."""
    return value.replace(",", ",,")
