"""Words that have no place in code or documents."""

import re

import pytest

from tests.unit.project import named

FORBIDDEN = {
    "a path of one's own machine": re.compile(r"(?<![\w.])/(?:work|root/\w|home/[a-z]+/)\b"),
    "history, which the log tells": re.compile(r"\b(?:previously|formerly)\b"),
    "a plan without an issue": re.compile(r"\b(?:TODO|FIXME|XXX)\b"),
    "the host of a package registry": re.compile(r"pypi\.org|pythonhosted\.org"),
    "theatre": re.compile(r"\b(?:usher|diary|diaries|workshop|narrator)\b", re.IGNORECASE),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_it_is_said_in_other_words(kind: str) -> None:
    texts = (*named.documents(), *named.docstrings())
    found = [
        f"{text.where}: {match[0]}"
        for text in texts
        for match in FORBIDDEN[kind].finditer(text.text)
    ]
    assert found == []
