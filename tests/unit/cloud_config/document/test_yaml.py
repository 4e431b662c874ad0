"""Trees from YAML: what PyYAML would make, and never more than a machine can bear."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_config.document import scalars, yamltree
from cloud_config.document.budget import MAX_BYTES, MAX_TEXT, MAX_VALUES, Budget
from cloud_config.document.findings import Finding
from cloud_config.document.scalars import Resolved, resolve
from cloud_config.document.yamlnodes import Listing, Mapping, Node, Scalar
from cloud_config.document.yamltree import MAX_DEPTH


def parse(text: str) -> tuple[Node | None, list[Finding]]:
    """A text that is alone."""
    return yamltree.parse(text, Budget())


def complaint(text: str) -> str:
    (finding,) = parse(text)[1]
    return str(finding)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", Resolved.NOTHING),
        ("~", Resolved.NOTHING),
        ("null", Resolved.NOTHING),
        ("y", Resolved.FLAG),
        ("Off", Resolved.FLAG),
        ("0744", Resolved.WHOLE),
        ("0x1F", Resolved.WHOLE),
        ("1_000", Resolved.WHOLE),
        ("-7", Resolved.WHOLE),
        ("1.5", Resolved.NUMBER),
        ("1e3", Resolved.NUMBER),
        ("09", Resolved.NUMBER),
        (".inf", Resolved.NUMBER),
        ("123456789012345678901", Resolved.NUMBER),
        ("1.2.3.4", Resolved.TEXT),
        ("2026-01-01", Resolved.TEXT),
        ("4:00", Resolved.TEXT),
        ("yess", Resolved.TEXT),
        ("-", Resolved.TEXT),
        (".", Resolved.TEXT),
    ],
)
def test_a_plain_scalar_is_what_go_took_it_for(text: str, meaning: Resolved) -> None:
    assert resolve(Scalar(text, 1, plain=True)) is meaning
    assert resolve(Scalar(text, 1, plain=False)) is Resolved.TEXT


@pytest.mark.parametrize(
    ("tag", "text", "meaning"),
    [
        ("tag:yaml.org,2002:str", "4", Resolved.TEXT),
        ("tag:yaml.org,2002:int", "4", Resolved.WHOLE),
        ("tag:yaml.org,2002:bool", "on", Resolved.FLAG),
        ("!", "4", Resolved.TEXT),
        ("!mine", "4", Resolved.TEXT),
        ("tag:yaml.org,2002:python/object:os.system", "4", Resolved.TEXT),
    ],
)
def test_a_tag_decides_and_makes_no_object(tag: str, text: str, meaning: Resolved) -> None:
    assert resolve(Scalar(text, 1, tag)) is meaning


@given(st.integers(-(2**62), 2**62))
def test_a_whole_number_has_its_value(number: int) -> None:
    for text in (f"{number}", f"{number:#x}", f"{number:#o}".replace("0o", "0")):
        assert resolve(Scalar(text, 1, plain=True)) is Resolved.WHOLE
        assert scalars.whole(text) == number


def test_aliases_are_counted_as_what_they_stand_for() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert complaint("\n".join(lines)) == f"line 5: error: more than {MAX_VALUES} values"


def test_the_text_of_aliases_is_counted_as_what_they_stand_for() -> None:
    text = f"a: &a {'x' * 10_000}\nb: [{', '.join(['*a'] * 1000)}]\n"
    assert complaint(text) == (
        f"line 2: error: values of more than {MAX_TEXT} bytes, aliases counted as copies"
    )


def test_several_documents_share_one_budget() -> None:
    budget = Budget()
    yamltree.parse("- a\n" * (MAX_VALUES // 2), budget)
    _, findings = yamltree.parse("- a\n" * (MAX_VALUES // 2), budget)
    assert "more than" in findings[0].message


def test_an_alias_inside_of_what_it_names_is_refused() -> None:
    assert complaint("a: &a [*a]") == "line 1: error: unknown anchor 'a' referenced"


@pytest.mark.parametrize("text", ["[" * 500, "{a: " * 500, "- " * 500, "? " * 500])
def test_deep_nesting_is_refused(text: str) -> None:
    assert complaint(text) == f"line 1: error: nested deeper than {MAX_DEPTH} levels"


def test_a_long_list_is_refused() -> None:
    assert "more than" in complaint("- a\n" * (MAX_VALUES + 1))


def test_a_key_that_is_no_scalar_is_refused() -> None:
    assert complaint("? [a]\n: b\n") == "line 1: error: a key must be a single value"


def test_a_large_text_is_refused() -> None:
    assert "larger than" in complaint("#" * (MAX_BYTES + 1))
    assert "larger than" in complaint("#" + "\u00fc" * (MAX_BYTES // 2))


def test_any_text_may_be_a_key() -> None:
    root, findings = parse('"\\0": x\n? [a]\n: lost\nb: y\n')
    assert isinstance(root, Mapping)
    assert list(root.entries) == ["\0", "b"]
    assert len(findings) == 1


def test_an_alias_may_be_a_key() -> None:
    root, findings = parse("- &k name\n- {*k : x}\n")
    assert not findings
    assert isinstance(root, Listing)
    mapping = root.items[1][1]
    assert isinstance(mapping, Mapping)
    assert list(mapping.entries) == ["name"]


def test_only_mappings_are_merged() -> None:
    root, _ = parse("a: &a [x, {y: 1}]\nb: {<<: *a, z: 2}\nc: {<<: x}\n")
    assert isinstance(root, Mapping)
    keys = [list(node.entries) for _, node in root.entries.values() if isinstance(node, Mapping)]
    assert keys == [["z", "y"], ["<<"]]


def test_merged_keys_stand_behind_those_of_the_mapping_itself() -> None:
    root, findings = parse("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 5}\n")
    assert not findings
    assert isinstance(root, Mapping)
    merged = root.entries["c"][1]
    assert isinstance(merged, Mapping)
    texts = {
        name: node.text for name, (_, node) in merged.entries.items() if isinstance(node, Scalar)
    }
    assert texts == {"x": "5", "y": "2", "z": "4"}


def test_an_anchor_may_be_used_again() -> None:
    root, findings = parse("- &a x\n- &a y\n- *a\n")
    assert not findings
    assert isinstance(root, Listing)
    assert [node.text for _, node in root.items if isinstance(node, Scalar)] == ["x", "y", "y"]


BROKEN = [
    "a:\na",
    "a: [1,\n2\nb: 3",
    "a: {b: c\nd: e",
    "- a\nb: c",
    "a:\n  - b\n c: d",
    "a: b: c",
    "a: 'x",
    "a: @x",
    "a: `x",
    "a: *x",
    "x: \x01",
    "k: |\n  a\n b: c",
    "hostname: x\nfoo\nbar: 1",
    " a: 1\nb: 2",
    "a: 1\n...\nfoo",
    "---\na: 1\n---\nb: 2",
    "\t",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_syntax_error_is_a_finding_within_the_text(text: str) -> None:
    findings = parse(text)[1]
    assert findings
    assert all(1 <= finding.line <= text.count("\n") + 1 for finding in findings)


plain = st.text("abxyz0189.-_ ~", max_size=8)
text_values = st.one_of(st.text(max_size=20), plain, st.integers(), st.booleans(), st.none())
trees = st.recursive(
    text_values,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


def plainly(node: object) -> object:
    """The tree as PyYAML's composer has it: texts, lists and pairs."""
    match node:
        case Scalar():
            return node.text
        case Listing():
            return [plainly(item) for _, item in node.items]
        case Mapping():
            return {name: plainly(item) for name, (_, item) in node.entries.items()}
        case yaml.ScalarNode():
            return node.value
        case yaml.SequenceNode():
            return [plainly(item) for item in node.value]
        case yaml.MappingNode():
            return {key.value.replace("-", "_"): plainly(item) for key, item in node.value}
        case _:
            return None


@settings(max_examples=80, deadline=None)
@given(trees, st.booleans())
def test_the_tree_is_that_of_the_text(tree: object, flow: bool) -> None:  # noqa: FBT001
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True)
    root, findings = parse(text)
    assert not [finding for finding in findings if "duplicate" not in finding.message]
    assert plainly(root) == plainly(yaml.compose(text, Loader=yaml.SafeLoader))
