"""Sockets of this machine, against a real peer."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.net.localsocket import free_port, port_is_taken, unix_channel
from osmodel.faults import HostFailure


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Path]:
    """A peer that answers each line with two, in pieces, then hangs up."""
    path = tmp_path / "peer"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_answer, args=(listener,))
        thread.start()
        yield path
        thread.join(10)


def _answer(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        line = connection.recv(100)
        connection.sendall(b"you sa")
        connection.sendall(b"id\r\n" + line)


def test_lines_arrive_whole_and_in_order(answering: Path) -> None:
    with unix_channel(answering, timeout=10) as channel:
        channel.send(b"hello")
        assert [channel.receive(), channel.receive()] == [b"you said", b"hello"]


def test_a_peer_that_hangs_up_is_a_failure(answering: Path) -> None:
    with unix_channel(answering, timeout=10) as channel:
        channel.send(b"hello")
        channel.receive()
        channel.receive()
        with pytest.raises(HostFailure, match="closed by the other side"):
            channel.receive()


def test_a_silent_peer_is_not_waited_for_without_end(tmp_path: Path) -> None:
    path = tmp_path / "silent"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        with unix_channel(path, timeout=0.05) as channel, pytest.raises(HostFailure):
            channel.receive()


def test_a_socket_nobody_listens_on_is_a_failure(tmp_path: Path) -> None:
    with (
        pytest.raises(HostFailure, match="nobody"),
        unix_channel(tmp_path / "nobody", timeout=1),
    ):
        pass


def test_a_port_is_taken_as_long_as_somebody_listens_on_it() -> None:
    port = free_port()
    assert not port_is_taken(port)
    with socket.create_server(("127.0.0.1", port)):
        assert port_is_taken(port)
    assert not port_is_taken(port)
