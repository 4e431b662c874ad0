"""Steps run when an input changed, and only then."""

from pathlib import Path
from types import ModuleType

import pytest

from builder import cache
from builder.cache import Cache
from builder.packages import mirrors
from builder.progress import Outcome
from builder.steps import Step, Steps, tree_digest
from osmodel.faults import HostFailure, InvalidInput
from tests.fakes.clock import StoppedClock
from tests.fakes.report import KeptReport


def touch(out: Path) -> None:
    (out / "made").touch()


def step(name: str = "a", *, value: object = 1, code: tuple[ModuleType, ...] = (cache,)) -> Step:
    return Step(name, {"value": value}, code, touch)


def steps(tmp_path: Path) -> tuple[Steps, KeptReport]:
    report = KeptReport()
    return Steps(Cache(tmp_path), StoppedClock(), report), report


def test_a_step_runs_once(tmp_path: Path) -> None:
    runner, report = steps(tmp_path)
    assert (runner.run(step()) / "made").exists()
    runner.run(step())
    assert report.steps == [("a", Outcome.DONE), ("a", Outcome.CACHED)]


@pytest.mark.parametrize(
    "other", [step(value=2), step("b"), step(code=(mirrors,)), step(code=(cache, mirrors))]
)
def test_another_input_is_another_step(other: Step) -> None:
    assert other.key != step().key


def test_a_key_does_not_depend_on_order() -> None:
    assert step(code=(cache, mirrors)).key == step(code=(mirrors, cache)).key
    assert step(value={"a": 1, "b": 2}).key == step(value={"b": 2, "a": 1}).key


def test_a_failed_step_names_itself_and_keeps_the_kind_of_fault(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise InvalidInput("bad value", hint="try another")

    runner, report = steps(tmp_path)
    with pytest.raises(InvalidInput, match="step a: bad value") as caught:
        runner.run(Step("a", {}, (), fail))
    assert caught.value.hint == "try another"
    assert report.steps == [("a", Outcome.FAILED)]


def test_a_full_disk_is_a_fault_of_the_host(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise OSError(28, "No space left on device", "/x")

    with pytest.raises(HostFailure, match="step a: /x: No space left on device"):
        steps(tmp_path)[0].run(Step("a", {}, (), fail))


def tree(path: Path) -> Path:
    (path / "d").mkdir(parents=True)
    (path / "d/file").write_text("x")
    (path / "link").symlink_to("d/file")
    return path


def test_a_trees_digest_is_of_what_a_checkout_keeps(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "1"), tree(tmp_path / "2")
    (second / "d/file").chmod(0o600)
    (second / "d").chmod(0o700)
    (second / "d/__pycache__").mkdir()
    assert tree_digest(first) == tree_digest(second)


def test_a_tree_that_differs_has_another_digest(tmp_path: Path) -> None:
    before = tree_digest(tree(tmp_path / "t"))
    seen = {before}
    for change in (rewrite, allow, add, rename):
        change(tmp_path / "t")
        seen.add(tree_digest(tmp_path / "t"))
    assert len(seen) == 5


def rewrite(root: Path) -> None:
    (root / "d/file").write_text("y")


def allow(root: Path) -> None:
    (root / "d/file").chmod(0o755)


def add(root: Path) -> None:
    (root / "empty").mkdir()


def rename(root: Path) -> None:
    (root / "link").rename(root / "link2")
