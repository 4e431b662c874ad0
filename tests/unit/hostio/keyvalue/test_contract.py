"""The stores of keys that need no server."""

from pathlib import Path

import pytest

from hostio.keyvalue.keyfile import KeyFile
from hostio.keyvalue.port import KeyStore
from osmodel.faults import UntrustedData
from osmodel.keyvalue import Put, Range, Transaction
from tests.fakes.clock import StoppedClock
from tests.fakes.keystorecontract import KeyStoreContract
from tests.fakes.rametcd import RamEtcd


class TestFake(KeyStoreContract):
    @pytest.fixture
    def store(self) -> KeyStore:
        return RamEtcd()


class TestFile(KeyStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> KeyStore:
        return KeyFile(tmp_path / "store.json", StoppedClock())


def test_a_file_is_the_same_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "store.json"
    KeyFile(path, StoppedClock()).commit(Transaction((), (Put("a", b"1"),)))
    found = KeyFile(path, StoppedClock()).commit(Transaction(reads=(Range("a"),))).found
    assert found[0][0].value == b"1"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format":2}', '{"format":1,"keys":[{}]}'])
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "store.json"
    path.write_text(text)
    store = KeyFile(path, StoppedClock())
    with pytest.raises(UntrustedData, match=r"store\.json: damaged"):
        store.commit(Transaction((), (Put("a", b"1"),)))
    assert path.read_text() == text
