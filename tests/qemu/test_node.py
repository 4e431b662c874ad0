"""The image for the nodes of a cluster."""

from tests.qemu.observations import Observations
from tests.qemu.test_lifecycle import SYSTEM_PROGRAMS


def rows(listing: str) -> list[tuple[int, str]]:
    """Resident KiB and program of each process that is no kernel thread."""
    found = []
    for line in listing.splitlines()[1:]:
        _, parent, resident, command = line.split(maxsplit=3)
        if parent != "2" and not command.startswith("["):
            name = command.split()[0].rsplit("/", 1)[-1].rstrip(":").lstrip("-")
            found.append((int(resident), name))
    return found


def test_a_node_boots_healthy(node: Observations) -> None:
    status = node.status("boot")
    assert (status["version"], status["image"], status["health"]) == ("1.0.0", "node", "healthy")


def test_a_node_runs_the_system_and_etcd_and_nothing_else(node: Observations) -> None:
    names = {name for _, name in rows(node.text("boot: programs"))}
    assert names <= SYSTEM_PROGRAMS | {"etcd"}


def test_no_python_stays_in_memory(node: Observations) -> None:
    names = {name for _, name in rows(node.text("boot: programs"))}
    assert not {name for name in names if name.startswith("python")}


def test_no_unit_fails_on_a_node(node: Observations) -> None:
    assert node.text("boot: failed units").strip() == ""


def test_etcd_keeps_a_key(node: Observations) -> None:
    assert node.text("boot: etcd").split() == ["OK", "greeting", "hello"]


def test_the_docker_command_is_there(node: Observations) -> None:
    assert "crun" in node.text("boot: docker")


def test_a_container_runs(node: Observations) -> None:
    assert "contained" in node.text("boot: container")
