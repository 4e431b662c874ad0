"""Configuration files of the update engine, and those of CoreOS."""

from pathlib import Path

import pytest

from hostio.files.dropins import Severity
from update_engine.settings import Configuration, RebootStrategy, Settings, read_settings


def configured(root: Path, files: dict[str, str]) -> Configuration:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_settings(root)


USR = "usr/lib/update-engine/config.d"
ETC = "etc/update-engine/config.d"
RUN = "run/update-engine/config.d"
IMAGE = '[repository]\nurl = "https://image"\n'


def test_without_files_every_key_has_its_default(tmp_path: Path) -> None:
    found = configured(tmp_path, {})
    assert found.values == Settings()
    assert {origin for _, _, origin in found.lines()} == {"default"}


def test_fragments_are_merged_by_name_and_keep_their_origin(tmp_path: Path) -> None:
    found = configured(
        tmp_path,
        {
            f"{USR}/10-image.toml": IMAGE,
            f"{ETC}/20-site.toml": '[updates]\ngroup = "beta"\n',
            f"{RUN}/15-now.toml": '[updates]\ngroup = "alpha"\nenabled = false\n',
        },
    )
    assert found.values.updates.group == "beta"
    assert not found.values.updates.enabled
    origins = {key: origin for key, _, origin in found.lines()}
    assert origins["repository.url"].endswith("10-image.toml")
    assert origins["updates.group"].endswith("20-site.toml")
    assert origins["updates.enabled"].endswith("15-now.toml")
    assert origins["health.deadline_s"] == "default"


def test_a_file_in_etc_replaces_the_one_of_the_image(tmp_path: Path) -> None:
    found = configured(
        tmp_path,
        {f"{USR}/10-image.toml": IMAGE, f"{ETC}/10-image.toml": "[updates]\nenabled = true\n"},
    )
    assert found.values.repository.url == ""


def test_a_link_to_nowhere_masks_a_file(tmp_path: Path) -> None:
    mask = tmp_path / ETC / "10-image.toml"
    mask.parent.mkdir(parents=True)
    mask.symlink_to("/dev/null")
    assert configured(tmp_path, {f"{USR}/10-image.toml": IMAGE}).values == Settings()


def test_a_typo_is_reported_with_its_file_and_the_rest_counts(tmp_path: Path) -> None:
    found = configured(
        tmp_path,
        {
            f"{USR}/10-image.toml": IMAGE,
            f"{ETC}/20-site.toml": '[repository]\nur = "x"\n[updates]\ngroup = "beta"\n',
        },
    )
    (problem,) = found.problems
    assert problem.severity is Severity.WARNING
    assert "20-site.toml: repository.ur: unknown key" in problem.text
    assert "url" in problem.hint
    assert found.values.repository_url == "https://image"
    assert found.values.updates.group == "beta"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[updates]\nenabled = 1\n", "expected true or false"),
        ("[health]\ndeadline_s = 0\n", "must be at least 1"),
        ("updates = 7\n", "expected a table"),
        ("[repository\n", "10-x.toml"),
        ("x = " + "[" * 100000, "10-x.toml"),
    ],
)
def test_a_bad_value_is_reported_and_the_default_holds(
    tmp_path: Path, text: str, message: str
) -> None:
    found = configured(tmp_path, {f"{ETC}/10-x.toml": text})
    (problem,) = found.problems
    assert problem.severity is Severity.ERROR
    assert message in problem.text
    assert found.values == Settings()


def test_a_word_of_a_newer_version_is_no_error(tmp_path: Path) -> None:
    text = '[updates]\nreboot_strategy = "at-full-moon"\n[locksmith.window]\nstart = "2:00"\n'
    found = configured(tmp_path, {f"{ETC}/10-x.toml": text})
    assert {problem.severity for problem in found.problems} == {Severity.WARNING}
    assert found.values == Settings()


def test_what_is_not_text_is_reported(tmp_path: Path) -> None:
    path = tmp_path / ETC / "10-x.toml"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff")
    (problem,) = read_settings(tmp_path).problems
    assert "not UTF-8" in problem.text


def test_a_directory_in_the_place_of_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / ETC / "10-x.toml").mkdir(parents=True)
    (problem,) = read_settings(tmp_path).problems
    assert "not a regular file" in problem.text


def test_an_empty_table_takes_nothing_away(tmp_path: Path) -> None:
    found = configured(
        tmp_path, {f"{USR}/10-image.toml": IMAGE, f"{ETC}/20-site.toml": "[repository]\n"}
    )
    assert found.values.repository_url == "https://image"
    assert not found.problems


def test_update_conf_of_coreos_is_understood(tmp_path: Path) -> None:
    found = configured(
        tmp_path,
        {
            f"{USR}/10-image.toml": '[repository]\nurl = "https://image/{group}"\n',
            "usr/share/coreos/update.conf": "GROUP=stable\nSERVER=https://shared/{group}\n",
            "etc/coreos/update.conf": (
                "# ours\nGROUP=beta\nREBOOT_STRATEGY=etcd-lock\nMACHINE_ALIAS=x\n"
            ),
        },
    )
    assert found.values.repository_url == "https://shared/beta"
    assert found.values.updates.reboot_strategy is RebootStrategy.ETCD_LOCK
    assert found.origins["repository.url"].endswith("usr/share/coreos/update.conf")
    assert found.origins["updates.group"].endswith("etc/coreos/update.conf")


def test_a_later_fragment_wins_over_update_conf(tmp_path: Path) -> None:
    found = configured(
        tmp_path,
        {"etc/coreos/update.conf": "GROUP=beta\n", f"{ETC}/90-x.toml": '[updates]\ngroup="c"\n'},
    )
    assert found.values.updates.group == "c"


def test_a_disabled_server_turns_updates_off_and_keeps_the_repository(tmp_path: Path) -> None:
    found = configured(
        tmp_path, {f"{USR}/10-image.toml": IMAGE, "etc/coreos/update.conf": "SERVER=disabled\n"}
    )
    assert not found.values.updates.enabled
    assert found.values.repository.url == "https://image"


def test_a_bad_strategy_in_update_conf_is_reported(tmp_path: Path) -> None:
    found = configured(tmp_path, {"etc/coreos/update.conf": "REBOOT_STRATEGY=best-effort\n"})
    (problem,) = found.problems
    assert "update.conf: updates.reboot_strategy" in problem.text


def test_an_image_can_rule_updates_out(tmp_path: Path) -> None:
    found = configured(
        tmp_path, {"usr/.noupdate": "", f"{ETC}/10-x.toml": "[updates]\nenabled = true\n"}
    )
    assert not found.values.updates.enabled
    assert found.origins["updates.enabled"].endswith("usr/.noupdate")
