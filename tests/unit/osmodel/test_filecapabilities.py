"""Capabilities of files, as text and as the kernel stores them."""

import pytest

from osmodel import filecapabilities
from osmodel.faults import InvalidInput


# What setcap of libcap 2.66 writes.
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("cap_net_raw=ep", "0100000200200000000000000000000000000000"),
        ("cap_net_admin+ep", "0100000200100000000000000000000000000000"),
        ("cap_net_raw,cap_net_admin=p", "0000000200300000000000000000000000000000"),
        ("cap_net_bind_service=eip", "0100000200040000000400000000000000000000"),
        ("cap_setuid=ep cap_bpf=ei", "0100000280000000000000000000000080000000"),
    ],
)
def test_text_becomes_what_the_kernel_stores(text: str, stored: str) -> None:
    assert filecapabilities.encode(text).hex() == stored


@pytest.mark.parametrize(
    "text",
    ["", "cap_net_raw", "net_raw=ep", "cap_nosuch=ep", "cap_net_raw=x", "cap_chown=ep cap_kill=p"],
)
def test_what_no_file_can_have_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not capabilities of a file"):
        filecapabilities.encode(text)
