"""Which sources a machine has, and what becomes of them together."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_config.planning.metadata import Metadata
from cloud_config.sources.choosing import Source, Stage, sources_of, stage_of
from cloud_config.sources.detect import Detected, detect, own_addresses, url_parameter
from cloud_config.sources.gathering import Gathered, gather, with_own_addresses
from cloud_config.sources.platforms import Firmware, Platform, platform_of
from cloud_config.sources.settings import Settings, load
from cloud_config.sources.world import SourcesWorld
from hostio.net.fetch import Fetcher
from tests.fakes.fetcher import RamFetcher
from tests.fakes.media import RamMedia
from tests.fakes.metadata.platforms import KEY, USER_DATA, Azure, Ec2
from tests.fakes.metadata.service import serving
from tests.fakes.runner import ScriptedRunner, failing
from tests.fakes.sourceworld import command_line, firmware, source_world

MACHINES = {
    Platform.AZURE: Firmware(
        sys_vendor="Microsoft Corporation",
        product_name="Virtual Machine",
        chassis_asset_tag="7783-7084-3265-9085-8269-3286-77",
    ),
    Platform.DIGITALOCEAN: Firmware(sys_vendor="DigitalOcean", product_name="Droplet"),
    Platform.EC2: Firmware(sys_vendor="Amazon EC2", product_name="t3.micro"),
    Platform.GCE: Firmware(sys_vendor="Google", product_name="Google Compute Engine"),
    Platform.HETZNER: Firmware(sys_vendor="Hetzner", product_name="vServer"),
    Platform.OPENSTACK: Firmware(sys_vendor="OpenStack Foundation", product_name="OpenStack Nova"),
    Platform.VMWARE: Firmware(sys_vendor="VMware, Inc.", product_name="VMware7,1"),
}
XEN_ON_EC2 = Firmware(
    sys_vendor="Xen",
    product_name="HVM domU",
    bios_version="4.11.amazon",
    product_uuid="ec2e1916-9099-7caf-fd21-012345abcdef",
)
OTHERS = [
    Firmware(),
    Firmware(sys_vendor="QEMU", product_name="Standard PC (Q35 + ICH9, 2009)"),
    Firmware(sys_vendor="Microsoft Corporation", product_name="Virtual Machine"),
    Firmware(sys_vendor="Dell Inc.", product_name="PowerEdge R640"),
    Firmware(sys_vendor="Xen", product_name="HVM domU", bios_version="4.11"),
]


@pytest.mark.parametrize(("platform", "machine"), MACHINES.items())
def test_a_platform_is_known_by_its_firmware(platform: Platform, machine: Firmware) -> None:
    assert platform_of(machine) is platform


def test_an_old_instance_of_ec2_is_known_behind_xen() -> None:
    assert platform_of(XEN_ON_EC2) is Platform.EC2


@pytest.mark.parametrize("machine", OTHERS)
def test_a_machine_of_no_platform_waits_for_no_service(machine: Firmware) -> None:
    assert platform_of(machine) is None
    sources = sources_of(Detected(machine))
    assert {stage_of(source) for source in sources} == {Stage.LOCAL}


@pytest.mark.parametrize(("platform", "machine"), MACHINES.items())
def test_only_the_own_platform_is_asked(platform: Platform, machine: Firmware) -> None:
    asked = set(sources_of(Detected(machine))) & {Source(other) for other in Platform}
    assert asked == {Source(platform)}


def test_what_was_put_there_on_purpose_goes_first() -> None:
    detected = Detected(MACHINES[Platform.EC2], url="https://x/")
    assert sources_of(detected) == (
        Source.URL,
        Source.CREDENTIAL,
        Source.NOCLOUD,
        Source.CONFIG_DRIVE,
        Source.EC2,
        Source.BOOT_PARTITION,
        Source.STATE,
        Source.IMAGE,
    )


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("", ""),
        ("quiet cloud-config-url=http://x/y?a=b ro", "http://x/y?a=b"),
        ("cloud_config_url=http://x/", "http://x/"),
        ("cloud-config-url=http://1/ cloud-config-url=http://2/", "http://2/"),
        ('cloud-config-url="http://x/"', "http://x/"),
        ("xcloud-config-url=http://x/", ""),
    ],
)
def test_the_command_line_may_name_a_url(line: str, url: str) -> None:
    assert url_parameter(line) == url


def test_the_machine_is_looked_at_in_its_own_files(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="Hetzner", product_uuid="AB-CD")
    command_line(tmp_path, "cloud-config-url=http://x/")
    detected = detect(tmp_path)
    assert detected.firmware.sys_vendor == "Hetzner"
    assert detected.url == "http://x/"
    assert detected.instance_id == "firmware-ab-cd"


@pytest.mark.parametrize("uuid", ["", "00000000-0000-0000-0000-000000000000"])
def test_a_machine_without_firmware_identity_has_that_of_its_disk(uuid: str) -> None:
    detected = Detected(Firmware(product_uuid=uuid), machine_id="abc")
    assert detected.instance_id == "machine-abc"


# --- gathering


def gathered(world: SourcesWorld, stage: Stage = Stage.LOCAL) -> Gathered:
    return gather(world, detect(world.root), stage)


def nocloud(tmp_path: Path, user_data: bytes | None, metadata: str = "") -> RamMedia:
    medium = tmp_path / "medium"
    medium.mkdir()
    (medium / "meta-data").write_text(metadata)
    if user_data is not None:
        (medium / "user-data").write_bytes(user_data)
    return RamMedia({"cidata": medium})


def image_file(tmp_path: Path, content: bytes = b"#cloud-config\nhostname: image\n") -> bytes:
    place = tmp_path / "usr" / "share" / "oem"
    place.mkdir(parents=True)
    (place / "cloud-config.yml").write_bytes(content)
    return content


def test_a_bare_machine_has_nothing(tmp_path: Path) -> None:
    found = gathered(source_world(tmp_path))
    assert found.is_empty
    assert not found.problems
    assert found.waits_for is None


def test_the_first_user_data_counts(tmp_path: Path) -> None:
    image_file(tmp_path)
    found = gathered(source_world(tmp_path, media=nocloud(tmp_path, USER_DATA)))
    assert (found.user_data, found.source) == (USER_DATA, "nocloud")


def test_metadata_without_user_data_goes_with_the_next_user_data(tmp_path: Path) -> None:
    document = image_file(tmp_path)
    media = nocloud(tmp_path, None, "instance-id: i-1")
    found = gathered(source_world(tmp_path, media=media))
    assert (found.user_data, found.source) == (document, "image")
    assert found.metadata.instance_id == "i-1"


def test_a_source_that_fails_is_reported_and_passed_over(tmp_path: Path) -> None:
    document = image_file(tmp_path)
    media = nocloud(tmp_path, None, "- no mapping")
    found = gathered(source_world(tmp_path, media=media))
    assert (found.user_data, found.source) == (document, "image")
    assert found.problems == ("nocloud: meta-data: not a YAML mapping",)


def test_broken_metadata_do_not_cost_the_user_data(tmp_path: Path) -> None:
    image_file(tmp_path)
    media = nocloud(tmp_path, USER_DATA, "- no mapping")
    found = gathered(source_world(tmp_path, media=media))
    assert (found.user_data, found.source) == (USER_DATA, "nocloud")
    assert found.problems == ("nocloud: meta-data: not a YAML mapping",)
    assert found.is_partial


def test_a_document_that_cannot_be_fetched_does_not_cost_the_metadata(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="VMware, Inc.")
    variables = {"coreos.config.url": "http://x/missing", "hostname": "one"}
    world = source_world(tmp_path, variables=variables, fetcher=offering({}))
    found = gathered(world, Stage.NETWORK)
    assert found.metadata.hostname == "one"
    assert found.problems[0].startswith("vmware: ")


def test_a_document_at_a_url_may_be_packed(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="VMware, Inc.")
    variables = {"coreos.config.url": "http://x/y", "coreos.config.data.encoding": "base64"}
    packed = {"http://x/y": base64.b64encode(USER_DATA)}
    world = source_world(tmp_path, variables=variables, fetcher=offering(packed))
    assert gathered(world, Stage.NETWORK).user_data == USER_DATA


def test_there_is_always_an_instance(tmp_path: Path) -> None:
    firmware(tmp_path, product_uuid="1234")
    found = gathered(source_world(tmp_path, media=nocloud(tmp_path, USER_DATA)))
    assert found.metadata.instance_id == "firmware-1234"


def test_no_service_is_asked_before_the_network(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="Amazon EC2")
    image_file(tmp_path)
    with serving(Ec2()) as server:
        early = gathered(source_world(tmp_path, address=server.url))
        assert (early.waits_for, early.user_data) == (Source.EC2, None)
        assert not server.asked
        late = gathered(source_world(tmp_path, address=server.url), Stage.NETWORK)
    assert (late.user_data, late.source) == (USER_DATA, "ec2")


def test_a_medium_saves_asking_the_service(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="Amazon EC2")
    found = gathered(source_world(tmp_path, media=nocloud(tmp_path, USER_DATA)))
    assert (found.waits_for, found.user_data) == (None, USER_DATA)


def test_a_service_without_user_data_leaves_the_image_its_say(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="Amazon EC2")
    document = image_file(tmp_path)
    with serving(Ec2(user_data=None)) as server:
        found = gathered(source_world(tmp_path, address=server.url), Stage.NETWORK)
    assert (found.user_data, found.source) == (document, "image")
    assert found.metadata.public_keys == (KEY,)


def test_a_dead_service_does_not_keep_the_image_from_its_say(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="Amazon EC2")
    document = image_file(tmp_path)
    found = gathered(source_world(tmp_path, settings=Settings(deadline_s=30)), Stage.NETWORK)
    assert found.user_data == document
    assert found.problems[0].startswith("ec2: ")


def offering(contents: dict[str, bytes]) -> Callable[[], Fetcher]:
    return lambda: RamFetcher(contents)


def test_a_vmware_url_waits_for_the_network(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="VMware, Inc.")
    world = source_world(
        tmp_path,
        variables={"coreos.config.url": "http://x/y"},
        fetcher=offering({"http://x/y": USER_DATA}),
    )
    assert gathered(world).waits_for is Source.VMWARE
    assert gathered(world, Stage.NETWORK).user_data == USER_DATA


def test_azure_forgets_what_was_on_its_medium(tmp_path: Path) -> None:
    firmware(tmp_path, chassis_asset_tag=MACHINES[Platform.AZURE].chassis_asset_tag)
    with serving(Azure(user_data=b"")) as server:
        found = gathered(source_world(tmp_path, address=server.url), Stage.NETWORK)
    assert found.user_data is None
    assert found.is_forgetful


# --- addresses of the machine itself


LINKS = [
    {"ifname": "lo", "addr_info": []},
    {
        "ifname": "eth0",
        "addr_info": [
            {"family": "inet", "local": "10.0.2.15", "prefixlen": 24},
            {"family": "inet6", "local": "2a02:1234::5", "prefixlen": 64},
            {"family": "inet6", "local": "fd00::5", "prefixlen": 64},
        ],
    },
]


def test_a_machine_knows_its_own_addresses() -> None:
    own = own_addresses(ScriptedRunner(ip=json.dumps(LINKS).encode()))
    assert own.addresses == {
        "public_ipv4": "10.0.2.15",
        "private_ipv4": "10.0.2.15",
        "public_ipv6": "2a02:1234::5",
        "private_ipv6": "fd00::5",
    }


@pytest.mark.parametrize("answer", [b"", b"{}", b"[3]", b'[{"addr_info": [{"local": 3}]}]'])
def test_a_machine_without_addresses_has_none(answer: bytes) -> None:
    assert own_addresses(ScriptedRunner(ip=answer)) == Metadata()
    assert own_addresses(ScriptedRunner(ip=failing("no ip"))) == Metadata()


def test_own_addresses_fill_what_a_medium_leaves_open() -> None:
    own = Metadata(private_ipv4="10.0.2.15", public_ipv4="10.0.2.15", hostname="not taken")
    known = with_own_addresses(Metadata(source="nocloud", private_ipv4="10.9.9.9"), own)
    assert (known.private_ipv4, known.public_ipv4) == ("10.9.9.9", "10.0.2.15")
    assert known.hostname == ""


def test_a_service_that_names_no_public_address_means_it() -> None:
    own = Metadata(private_ipv4="10.0.2.15", public_ipv4="10.0.2.15")
    said = Metadata(source="ec2", private_ipv4="10.0.2.15")
    assert with_own_addresses(said, own) == said


# --- settings


def setting(root: Path, place: str, text: str, name: str = "10-test.toml") -> None:
    directory = root / place / "cloud-config" / "config.d"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text)


def test_settings_have_defaults(tmp_path: Path) -> None:
    assert load(tmp_path).values == Settings(allow_imds_v1=False, deadline_s=300)


def test_an_operator_overrules_the_image(tmp_path: Path) -> None:
    setting(tmp_path, "usr/lib", "allow_imds_v1 = true\ndeadline_s = 20\n")
    setting(tmp_path, "etc", "deadline_s = 60\n", "50-mine.toml")
    assert load(tmp_path).values == Settings(allow_imds_v1=True, deadline_s=60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deadline = 3", "unknown key"),
        ("deadline_s = 0", "from 1 to 600"),
        ("deadline_s = 601", "from 1 to 600"),
        ("allow_imds_v1 = 1", "true or false"),
        ("x", "10-test.toml"),
    ],
)
def test_a_wrong_setting_is_reported_with_its_file(text: str, message: str, tmp_path: Path) -> None:
    setting(tmp_path, "etc", text)
    merged = load(tmp_path)
    assert merged.values == Settings()
    (problem,) = merged.problems
    assert message in problem.text
    assert "10-test.toml" in problem.text
