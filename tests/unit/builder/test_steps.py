"""Steps run when something they read changed, and only then."""

from pathlib import Path

import pytest

from builder.cache import Cache
from builder.inputs import OWN_KEY, Derived, Named, directory, tree_digest
from builder.progress import Outcome
from builder.steps import Step, Steps
from osmodel.faults import HostFailure, InvalidInput
from osmodel.platforms import Target
from tests.fakes.clock import StoppedClock
from tests.fakes.report import KeptReport


def touch(value: object, out: Path) -> None:
    (out / "made").write_text(str(value))


def write(value: object, out: Path) -> None:
    (out / "written").write_text(str(value))


def refuse(out: Path) -> None:
    raise InvalidInput(f"bad value in {out.parent.name}", hint="try another")


def fill_the_disk(out: Path) -> None:
    raise OSError(28, "No space left on device", str(out / "x"))


def shout(text: str) -> str:
    return text.upper()


def step(name: str = "a", *, value: object = 1) -> Step:
    return Step(name, touch, {"value": value})


def steps(tmp_path: Path) -> tuple[Steps, KeptReport]:
    report = KeptReport()
    return Steps(Cache(tmp_path), StoppedClock(), report), report


def test_a_step_runs_once(tmp_path: Path) -> None:
    runner, report = steps(tmp_path)
    assert (runner.run(step()) / "made").exists()
    runner.run(step())
    assert report.steps == [("a", Outcome.DONE), ("a", Outcome.CACHED)]


OTHERS = {
    "name": step("b"),
    "value": step(value=2),
    "type": step(value="1"),
    "order": step(value=(1, 2)),
    "content": step(value=Named("/same/path", "a digest")),
    "bytes": step(value=b"1"),
    "dataclass": step(value=Target()),
    "other dataclass": step(value=Target("arm64")),
    "function": Step("a", write, {"value": 1}),
    "derived": step(value=Derived(shout, {"text": "1"})),
    "derived from other": step(value=Derived(shout, {"text": "2"})),
}


def test_another_input_is_another_step() -> None:
    keys = {what: other.key for what, other in OTHERS.items()}
    assert len({*keys.values(), step().key}) == len(OTHERS) + 1


def test_a_key_does_not_depend_on_the_order_of_names() -> None:
    assert step(value={"a": 1, "b": 2}).key == step(value={"b": 2, "a": 1}).key


def test_where_something_lies_is_no_part_of_a_key() -> None:
    assert step(value=Named("/a", "digest")).key == step(value=Named("/b", "digest")).key


@pytest.mark.parametrize("value", [Path("/etc/passwd"), 1.5, object(), {"deep": [Path("/x")]}])
def test_a_value_that_does_not_say_its_content_is_no_input(value: object) -> None:
    with pytest.raises(TypeError, match="not an input of a step"):
        step(value=value)


def test_work_is_given_values_and_results(tmp_path: Path) -> None:
    runner, _ = steps(tmp_path)
    first = step(value=Derived(shout, {"text": "x"}))
    assert (runner.run(first) / "made").read_text() == "X"
    second = step("b", value=(runner.result(first, "made"), {"plain": 1}))
    wanted = (runner.place(first) / "made", {"plain": 1})
    assert (runner.run(second) / "made").read_text() == str(wanted)


def test_a_step_can_be_told_its_own_key(tmp_path: Path) -> None:
    one = step(value=OWN_KEY)
    assert (steps(tmp_path)[0].run(one) / "made").read_text() == one.key


def test_a_failed_step_names_itself_and_keeps_the_kind_of_fault(tmp_path: Path) -> None:
    runner, report = steps(tmp_path)
    with pytest.raises(InvalidInput, match="step a: bad value") as caught:
        runner.run(Step("a", refuse, {}))
    assert caught.value.hint == "try another"
    assert report.steps == [("a", Outcome.FAILED)]


def test_a_full_disk_is_a_fault_of_the_host(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match=r"step a: /.*/x: No space left on device"):
        steps(tmp_path)[0].run(Step("a", fill_the_disk, {}))


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
    assert directory(first).identity == directory(second).identity


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
