"""etcd members of a test's own on the loopback; they end with the test."""

import os
import signal
import subprocess  # noqa: TID251 - processes that are stopped and killed on purpose
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hostio.keyvalue.etcdgateway import EtcdAccess, EtcdGateway
from hostio.net.localsocket import free_port
from hostio.system.clock import SystemClock
from osmodel.faults import Fault
from osmodel.keyvalue import Range, Transaction

_STARTS_WITHIN = 60.0  # seconds


class Member:
    """One member."""

    def __init__(self, argv: list[str], client: str) -> None:
        self.argv = argv
        self.client = client
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop it in mid-step, as a machine that hangs."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


class Cluster:
    """Several members."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(one.client for one in self.members)

    def gateway(self, timeout: float = 5.0) -> EtcdGateway:
        return EtcdGateway(EtcdAccess(self.endpoints), SystemClock(), timeout)

    def wait(self, access: EtcdAccess | None = None) -> None:
        """Until it answers."""
        clock = SystemClock()
        store = EtcdGateway(access or EtcdAccess(self.endpoints), clock, 2.0)
        until = clock.monotonic() + _STARTS_WITHIN
        while True:
            try:
                store.commit(Transaction(reads=(Range("x"),)))
            except Fault:
                if clock.monotonic() > until:
                    raise
                clock.sleep(0.2)
            else:
                return


@contextmanager
def cluster(
    directory: Path, size: int = 1, scheme: str = "http", options: tuple[str, ...] = ()
) -> Iterator[Cluster]:
    """Start members and end them."""
    peers = {f"m{n}": f"http://127.0.0.1:{free_port()}" for n in range(size)}
    initial = ",".join(f"{name}={url}" for name, url in peers.items())
    members = []
    for name, peer in peers.items():
        client = f"{scheme}://127.0.0.1:{free_port()}"
        argv = [
            "etcd", "--name", name, "--data-dir", str(directory / name),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", initial, "--initial-cluster-token", str(directory), *options,
        ]  # fmt: skip
        members.append(Member(argv, client))
    try:
        for member in members:
            member.start()
        yield Cluster(members)
    finally:
        for member in members:
            if member.process is not None:
                member.kill()
