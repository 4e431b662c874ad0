"""The list of `make mutants` fits the code it is about."""

import pytest

from tests.checkout import ROOT
from tests.mutants import Mutant, load

MUTANTS = load()


def test_names_are_given_once() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_line_and_stays_python(mutant: Mutant) -> None:
    changed = mutant.applied((ROOT / mutant.file).read_text())
    compile(changed, mutant.file, "exec")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_of_a_mutant_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, _, function = test.partition("::")
        text = (ROOT / file).read_text()
        assert f"def {function}" in text or not function
