"""The blocks of an authorized_keys file."""

from hypothesis import given
from hypothesis import strategies as st

from cloud_config.apply.keyblocks import with_block

MINE = "ssh-rsa AAAA mine\n"
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)
TEXTS = st.lists(LINES, max_size=5).map(lambda lines: "".join(f"{line}\n" for line in lines))
KEYS = st.lists(st.text("abcdef ", min_size=1).filter(lambda key: key.strip() != ""), max_size=3)


def test_a_block_names_its_origin() -> None:
    assert with_block(MINE, "users", ["k1", " k2 "]) == (
        f"{MINE}# begin cloud-config users\nk1\nk2\n# end cloud-config users\n"
    )


def test_a_last_line_without_end_stays_a_line_of_its_own() -> None:
    assert with_block("mine", "users", ["k"]).startswith("mine\n# begin")


def test_a_block_whose_end_was_deleted_takes_no_foreign_key() -> None:
    text = with_block("", "users", ["k1", "k2"]).replace("# end cloud-config users\n", "") + MINE
    assert with_block(text, "users", ["k1", "k2"]) == (
        "# begin cloud-config users\nk1\nk2\n# end cloud-config users\n" + MINE
    )


@given(TEXTS, KEYS, KEYS)
def test_foreign_lines_stay_byte_by_byte(text: str, first: list[str], second: list[str]) -> None:
    both = with_block(with_block(text, "users", first), "metadata", second)
    assert with_block(with_block(both, "users", []), "metadata", []) == text


@given(TEXTS, KEYS)
def test_twice_is_once(text: str, keys: list[str]) -> None:
    once = with_block(text, "users", keys)
    assert with_block(once, "users", keys) == once
