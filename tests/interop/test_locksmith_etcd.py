"""The etcd adapter against Debian's etcd."""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostio.keyvalue.etcdgateway import EtcdAccess, EtcdGateway
from hostio.keyvalue.port import KeyStore, UnknownOutcome
from hostio.net.localsocket import free_port
from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData
from osmodel.keyvalue import Put, Range, Transaction
from tests.fakes.keystorecontract import KeyStoreContract, put
from tests.interop.etcdcluster import Cluster, cluster

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("etcd")) as found:
        found.wait()
        yield found


class TestGateway(KeyStoreContract):
    @pytest.fixture
    def store(self, one: Cluster) -> KeyStore:
        return one.gateway()


def test_a_watch_wakes_when_the_key_changes(one: Cluster) -> None:
    store, other = one.gateway(), one.gateway()
    before = put(store, "watched").revision
    timer = threading.Timer(0.5, lambda: put(other, "watched", b"later"))
    timer.start()
    began = SystemClock().monotonic()
    changes = store.watch((Range("never"), Range("watched")), before, 30.0)
    timer.join()
    assert [change.value for change in changes] == [b"later"]
    assert SystemClock().monotonic() - began < 10


def test_a_lease_takes_its_keys_with_it(one: Cluster) -> None:
    store = one.gateway()
    lease = store.grant(30)
    store.commit(Transaction((), (Put("leased", b"", lease),)))
    assert store.keep_alive(lease) == 30
    store.revoke(lease)
    store.revoke(lease)
    assert store.keep_alive(lease) == 0
    assert store.commit(Transaction(reads=(Range("leased"),))).found == ((),)


def test_an_endpoint_that_is_not_there_is_passed_over(one: Cluster) -> None:
    access = EtcdAccess((f"http://127.0.0.1:{free_port()}", *one.endpoints))
    assert put(EtcdGateway(access, SystemClock()), "x").committed


def test_the_loss_of_one_of_three_is_not_noticed_and_of_two_ends_in_time(tmp_path: Path) -> None:
    with cluster(tmp_path, 3) as three:
        three.wait()
        store = three.gateway(3.0)
        three.members[0].kill()
        for _ in range(20):
            try:
                assert put(store, "x").committed
                break
            except TransientFailure:
                SystemClock().sleep(0.5)
        else:
            pytest.fail("two of three did not go on")
        three.members[1].kill()
        clock = SystemClock()
        began = clock.monotonic()
        with pytest.raises(TransientFailure):
            put(store, "x")
        assert clock.monotonic() - began < 15


def test_a_member_that_hangs_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    with cluster(tmp_path) as hanging:
        hanging.wait()
        store = hanging.gateway(1.0)
        hanging.members[0].stop()
        with pytest.raises(UnknownOutcome, match="no answer in time"):
            put(store, "x")
        with pytest.raises(TransientFailure) as caught:
            store.commit(Transaction(reads=(Range("x"),)))
        assert not isinstance(caught.value, UnknownOutcome)
        hanging.members[0].go_on()
        hanging.wait()


def test_users_and_passwords(tmp_path: Path) -> None:
    with cluster(tmp_path) as guarded:
        guarded.wait()
        store = guarded.gateway()
        store._call("auth/user/add", {"name": "root", "password": "right"})
        store._call("auth/user/grant", {"user": "root", "role": "root"})
        store._call("auth/enable", {})
        with pytest.raises(InvalidInput, match="etcd refuses"):
            put(store, "x")
        wrong = EtcdAccess(guarded.endpoints, username="root", password="wrong")
        with pytest.raises(InvalidInput, match="authentication failed"):
            put(EtcdGateway(wrong, SystemClock()), "x")
        access = EtcdAccess(guarded.endpoints, username="root", password="right")
        user = EtcdGateway(access, SystemClock())
        assert put(user, "x").committed
        user._token = "ended"
        assert put(user, "x").committed


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_certificates_of_both_sides(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    options = (
        "--cert-file", str(tmp_path / "server.pem"), "--key-file", str(tmp_path / "server.key"),
        "--client-cert-auth", "--trusted-ca-file", str(tmp_path / "ca.pem"),
    )  # fmt: skip
    with cluster(tmp_path / "data", 1, "https", options) as guarded:
        ca, cert = str(tmp_path / "ca.pem"), str(tmp_path / "client.pem")
        good = EtcdAccess(guarded.endpoints, ca, cert, str(tmp_path / "client.key"))
        guarded.wait(good)
        assert put(EtcdGateway(good, SystemClock()), "x").committed
        with pytest.raises(TransientFailure, match="certificate is not trusted"):
            put(EtcdGateway(EtcdAccess(guarded.endpoints), SystemClock()), "x")
        with pytest.raises(TransientFailure):
            put(EtcdGateway(EtcdAccess(guarded.endpoints, ca), SystemClock()), "x")
        plain = EtcdAccess((guarded.endpoints[0].replace("https", "http"),))
        with pytest.raises(TransientFailure):
            put(EtcdGateway(plain, SystemClock()), "x")


def make_certificates(place: Path) -> None:
    def openssl(*words: str) -> None:
        LocalRunner().run(Command(["openssl", *words], cwd=place))

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test ca", "-days", "30")
    (place / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl(*new[:1], *new[2:], "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "30", "-extfile", "names",
                "-set_serial", str(len(name)))  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"garbage", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"succeeded":true}',
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 x\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (17 << 20),
    ],
)  # fmt: skip
def test_whatever_answers_ends_in_a_fault_of_one_line(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    try:
                        connection.sendall(answer)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        store = EtcdGateway(EtcdAccess((url,)), SystemClock(), 1.0)
        told = [
            fault_of(lambda: put(store, "x")),
            fault_of(lambda: store.watch((Range("x"),), 1, 0.5)),
            fault_of(lambda: store.keep_alive(5)),
        ]
        server.shutdown(socket.SHUT_RDWR)
    assert all("\n" not in text and len(text) < 400 for text in told)
    assert told[0]


def fault_of(call: Callable[[], object]) -> str:
    """What a call says that fails, or nothing."""
    try:
        call()
    except (TransientFailure, UntrustedData) as fault:
        return str(fault)
    return ""


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:2379", "ftp://x", "http://", "http://u:p@x", "http://x:port", "http://[::1"],
)
def test_what_is_no_endpoint_is_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidInput, match="not an endpoint"):
        EtcdGateway(EtcdAccess((url,)), SystemClock())


def test_files_that_are_no_certificates_are_refused_by_name(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    for access in (
        EtcdAccess(("https://x",), ca_file=str(bad)),
        EtcdAccess(("https://x",), cert_file=str(bad)),
        EtcdAccess(("https://x",), cert_file=str(tmp_path / "missing.pem")),
    ):
        with pytest.raises(InvalidInput, match=r"bad\.pem|missing\.pem"):
            EtcdGateway(access, SystemClock())


def test_a_proxy_of_the_environment_is_not_asked(
    one: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:1")
    assert put(one.gateway(), "x").committed
