"""``locksmithctl`` as a program, on Debian's etcd with three members."""

import json
import subprocess  # noqa: TID251 - several programs at the same moment
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.interop.etcdcluster import Cluster, cluster

pytestmark = pytest.mark.interop

PROGRAM = "import sys; from locksmith.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("etcd"), 3) as found:
        found.wait()
        yield found


def locksmithctl(on: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", PROGRAM, "-endpoint", ",".join(on.endpoints), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def state(on: Cluster, group: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        locksmithctl(on, "-group", group, "status", "-json").stdout
    )
    return found


def test_of_many_programs_at_once_as_many_get_a_place_as_there_are(three: Cluster) -> None:
    assert locksmithctl(three, "-group", "race", "set-max", "3").returncode == 0
    with ThreadPoolExecutor(12) as pool:
        done = list(
            pool.map(lambda n: locksmithctl(three, "-group", "race", "lock", f"m{n}"), range(12))
        )
    assert sorted(one.returncode for one in done) == [0] * 3 + [1] * 9
    assert all("Traceback" not in one.stderr for one in done)
    found = state(three, "race")
    assert (found["available"], len(found["holders"])) == (0, 3)  # type: ignore[arg-type]  # a list


def test_a_member_that_dies_costs_no_place_and_gains_none(three: Cluster) -> None:
    locksmithctl(three, "-group", "loss", "set-max", "2")
    victim = three.members[0]
    with ThreadPoolExecutor(8) as pool:
        running = [
            pool.submit(locksmithctl, three, "-group", "loss", "lock", f"m{n}") for n in range(8)
        ]
        victim.kill()
        done = [one.result() for one in running]
    victim.start()
    three.wait()
    taken = sum(one.returncode == 0 for one in done)
    found = state(three, "loss")
    assert taken <= 2
    assert found["available"] == 2 - len(found["holders"])  # type: ignore[arg-type]  # a list
    assert taken <= len(found["holders"])  # type: ignore[arg-type]  # a list


def test_nobody_answers_and_the_command_says_who_and_ends_with_one() -> None:
    argv = [sys.executable, "-c", PROGRAM, "-endpoint", "http://127.0.0.1:1", "status"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "http://127.0.0.1:1: Connection refused" in done.stderr
