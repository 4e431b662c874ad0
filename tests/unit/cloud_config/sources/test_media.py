"""Sources that lie at hand: media, credentials, files, a VMware host, a URL."""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_config.planning.metadata import Interface, Metadata
from cloud_config.sources.choosing import Source
from cloud_config.sources.detect import detect
from cloud_config.sources.reading import read
from cloud_config.sources.seed import Seed
from hostio.net.fetch import NotFound
from hostio.net.guestrpc import VsockVariables
from osmodel.faults import InvalidInput
from tests.fakes.fetcher import RamFetcher
from tests.fakes.media import RamMedia
from tests.fakes.metadata.platforms import KEY, METADATA_JSON, NETWORK_JSON, USER_DATA
from tests.fakes.metadata.vmwarehost import VmwareHost
from tests.fakes.sourceworld import command_line, source_world


def files(directory: Path, **contents: bytes | str) -> Path:
    """Write files; ``__`` in a name is a slash, ``_`` stays, ``X`` is a dash."""
    for name, content in contents.items():
        path = directory / name.replace("__", "/").replace("X", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def nocloud(tmp_path: Path, **contents: bytes | str) -> Seed | None:
    medium = files(tmp_path / "medium", **contents)
    return read(Source.NOCLOUD, source_world(tmp_path, media=RamMedia({"CIDATA": medium})))


def test_a_nocloud_medium_gives_both(tmp_path: Path) -> None:
    metadata = f"instance-id: i-7\nlocal-hostname: one\npublic-keys:\n- {KEY}\n"
    seed = nocloud(tmp_path, userXdata=USER_DATA, metaXdata=metadata)
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert (seed.metadata.instance_id, seed.metadata.hostname) == ("i-7", "one")
    assert seed.metadata.public_keys == (KEY,)


@pytest.mark.parametrize(
    "metadata", ["", "---\n", "{}", '{"instance-id": "i-7"}', "instance-id: 7\n", "public-keys: 3"]
)
def test_little_metadata_is_enough(metadata: str, tmp_path: Path) -> None:
    seed = nocloud(tmp_path, userXdata=USER_DATA, metaXdata=metadata)
    assert seed is not None
    assert seed.metadata.instance_id in {"", "i-7", "7"}


@pytest.mark.parametrize("metadata", ["- a list", "a: [", "\x00", "text", "a: &x [*x, *x]\n- b"])
def test_broken_metadata_does_not_cost_the_user_data(metadata: str, tmp_path: Path) -> None:
    seed = nocloud(tmp_path, userXdata=USER_DATA, metaXdata=metadata)
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert "meta-data" in seed.problems[0]


@pytest.mark.parametrize(
    "keys",
    [
        f"public-keys: {KEY}",
        f"public-keys:\n- {KEY}",
        f"public-keys:\n  mine:\n  - {KEY}",
        f"public-keys:\n  mine: {KEY}",
    ],
)
def test_keys_come_in_every_form_that_is_in_use(keys: str, tmp_path: Path) -> None:
    seed = nocloud(tmp_path, metaXdata=keys)
    assert seed is not None
    assert seed.metadata.public_keys == (KEY,)


def test_a_medium_without_the_files_is_none(tmp_path: Path) -> None:
    assert nocloud(tmp_path, README="hello") is None


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    seed = nocloud(tmp_path, userXdata=USER_DATA, networkXconfig="version: 2", vendorXdata=" ")
    assert seed is not None
    assert seed.remarks == ("nocloud: network-config is not read",)


def test_blank_user_data_is_none(tmp_path: Path) -> None:
    seed = nocloud(tmp_path, userXdata="\n", metaXdata="instance-id: 1")
    assert seed is not None
    assert seed.user_data is None


def test_a_link_on_a_medium_leads_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("root:*:")
    medium = files(tmp_path / "medium", metaXdata="")
    (medium / "user-data").symlink_to(secret)
    seed = read(Source.NOCLOUD, source_world(tmp_path, media=RamMedia({"cidata": medium})))
    assert seed is not None
    assert seed.user_data is None
    assert "is a link" in seed.problems[0]


def test_a_directory_in_place_of_user_data_does_not_cost_the_keys(tmp_path: Path) -> None:
    medium = files(tmp_path / "medium", metaXdata=f"public-keys: {KEY}")
    (medium / "user-data").mkdir()
    seed = read(Source.NOCLOUD, source_world(tmp_path, media=RamMedia({"cidata": medium})))
    assert seed is not None
    assert seed.problems
    assert seed.metadata.public_keys == (KEY,)


def config_drive(tmp_path: Path, **contents: bytes | str) -> Seed | None:
    below = {f"openstack__latest__{name}": content for name, content in contents.items()}
    medium = files(tmp_path / "medium", **below)
    return read(Source.CONFIG_DRIVE, source_world(tmp_path, media=RamMedia({"config-2": medium})))


def test_a_config_drive_gives_everything(tmp_path: Path) -> None:
    contents: dict[str, bytes | str] = {
        "user_data": USER_DATA,
        "meta_data.json": json.dumps(METADATA_JSON),
        "network_data.json": json.dumps(NETWORK_JSON),
    }
    seed = config_drive(tmp_path, **contents)
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert seed.metadata.source == "config-drive"
    assert seed.metadata.hostname == "one.novalocal"
    assert seed.metadata.public_keys == (KEY,)
    assert seed.metadata.private_ipv4 == "10.2.0.5"
    assert seed.metadata.public_ipv6 == "2a02:1234::5"


def test_a_config_drive_of_user_data_alone_is_enough(tmp_path: Path) -> None:
    seed = config_drive(tmp_path, user_data=USER_DATA)
    assert seed is not None
    assert seed.user_data == USER_DATA


def test_a_config_drive_without_its_folder_is_none(tmp_path: Path) -> None:
    medium = files(tmp_path / "other", user_data=USER_DATA)
    media = RamMedia({"config-2": medium})
    assert read(Source.CONFIG_DRIVE, source_world(tmp_path, media=media)) is None


@pytest.mark.parametrize("name", ["meta_data.json", "network_data.json"])
def test_a_broken_config_drive_still_has_its_user_data(name: str, tmp_path: Path) -> None:
    contents: dict[str, bytes | str] = {"meta_data.json": "{}", "user_data": USER_DATA, name: "{"}
    seed = config_drive(tmp_path, **contents)
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert name in seed.problems[0]


@pytest.mark.parametrize("name", ["meta_data.json", "network_data.json"])
def test_an_empty_file_of_a_config_drive_says_nothing(name: str, tmp_path: Path) -> None:
    contents: dict[str, bytes | str] = {"meta_data.json": "{}", "user_data": USER_DATA, name: ""}
    seed = config_drive(tmp_path, **contents)
    assert seed is not None
    assert (seed.user_data, seed.problems) == (USER_DATA, ())


def test_a_broken_credential_of_metadata_still_has_user_data(tmp_path: Path) -> None:
    (tmp_path / "cloud-config.user-data").write_bytes(USER_DATA)
    (tmp_path / "cloud-config.meta-data").write_text("- broken")
    seed = read(Source.CREDENTIAL, source_world(tmp_path, credentials=tmp_path))
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert seed.problems


def test_a_broken_boot_partition_still_has_user_data(tmp_path: Path) -> None:
    boot = files(tmp_path / "boot", userXdata=USER_DATA, metaXdata="a: [")
    seed = read(Source.BOOT_PARTITION, source_world(tmp_path, media=RamMedia(boot=boot)))
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert seed.problems


def test_a_credential_gives_user_data(tmp_path: Path) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "cloud-config.user-data").write_bytes(USER_DATA)
    (directory / "cloud-config.meta-data").write_text("instance-id: by-credential")
    seed = read(Source.CREDENTIAL, source_world(tmp_path, credentials=directory))
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert seed.metadata.instance_id == "by-credential"


def test_no_credential_is_no_seed(tmp_path: Path) -> None:
    assert read(Source.CREDENTIAL, source_world(tmp_path)) is None
    assert read(Source.CREDENTIAL, source_world(tmp_path, credentials=tmp_path)) is None


@pytest.mark.parametrize("name", ["cloud-config.yml", "cloud-config.yaml", "user-data"])
def test_a_file_on_the_boot_partition_counts(name: str, tmp_path: Path) -> None:
    boot = tmp_path / "boot"
    boot.mkdir()
    (boot / name).write_bytes(USER_DATA)
    seed = read(Source.BOOT_PARTITION, source_world(tmp_path, media=RamMedia(boot=boot)))
    assert seed is not None
    assert seed.user_data == USER_DATA


def test_a_boot_partition_of_a_machine_like_others_has_none(tmp_path: Path) -> None:
    boot = files(tmp_path / "boot", EFI__Linux__x="x")
    assert read(Source.BOOT_PARTITION, source_world(tmp_path, media=RamMedia(boot=boot))) is None
    assert read(Source.BOOT_PARTITION, source_world(tmp_path)) is None


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (Source.STATE, "var/lib/cloud-config/seed/user-data"),
        (Source.STATE, "var/lib/coreos-install/user_data"),
        (Source.IMAGE, "usr/share/oem/cloud-config.yml"),
    ],
)
def test_a_file_of_the_disk_counts(source: Source, place: str, tmp_path: Path) -> None:
    assert read(source, source_world(tmp_path)) is None
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_bytes(USER_DATA)
    seed = read(source, source_world(tmp_path))
    assert seed is not None
    assert (seed.user_data, seed.metadata.source) == (USER_DATA, source)


URL = "https://config.example/machine?token=secret"


def by_url(tmp_path: Path, contents: Mapping[str, bytes]) -> Seed | None:
    command_line(tmp_path, f"quiet cloud-config-url={URL} ro")
    world = source_world(tmp_path, fetcher=lambda: RamFetcher(contents))
    return read(Source.URL, world, url=detect(tmp_path).url)


def test_the_document_at_the_url_of_the_command_line_is_fetched(tmp_path: Path) -> None:
    seed = by_url(tmp_path, {URL: USER_DATA})
    assert seed is not None
    assert seed.user_data == USER_DATA


def test_a_url_without_a_document_is_told_without_its_secrets(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        by_url(tmp_path, {})
    with pytest.raises(InvalidInput) as caught:
        by_url(tmp_path, {URL: b"x" * ((1 << 20) + 1)})
    assert "secret" not in str(caught.value)


def vmware(tmp_path: Path, **variables: str) -> Seed | None:
    named = {name.replace("_", "."): value for name, value in variables.items()}
    return read(Source.VMWARE, source_world(tmp_path, variables=named))


PACKED = base64.b64encode(gzip.compress(USER_DATA)).decode()
CODED = base64.b64encode(USER_DATA).decode()


@pytest.mark.parametrize(
    "variables",
    [
        {"coreos_config_data": USER_DATA.decode()},
        {"coreos_config_data": CODED, "coreos_config_data_encoding": "base64"},
        {"coreos_config_data": PACKED, "coreos_config_data_encoding": "gzip+base64"},
        {"userdata": CODED, "userdata_encoding": "b64"},
        {"userdata": PACKED, "userdata_encoding": "gz+b64"},
        {"userdata": USER_DATA.decode()},
    ],
)
def test_a_vmware_host_gives_user_data_in_any_encoding(
    variables: Mapping[str, str], tmp_path: Path
) -> None:
    seed = vmware(tmp_path, **variables)
    assert seed is not None
    assert seed.user_data == USER_DATA


def test_a_vmware_host_with_nothing_set_gives_nothing(tmp_path: Path) -> None:
    assert vmware(tmp_path) is None


def test_a_blanked_variable_is_not_set(tmp_path: Path) -> None:
    seed = vmware(tmp_path, userdata="---", metadata='{"instance-id": "vm-1"}')
    assert seed is not None
    assert (seed.user_data, seed.metadata.instance_id) == (None, "vm-1")


def test_a_vmware_host_may_name_a_url(tmp_path: Path) -> None:
    seed = vmware(tmp_path, coreos_config_url="https://config.example/x")
    assert seed is not None
    assert (seed.user_data, seed.url) == (None, "https://config.example/x")


@pytest.mark.parametrize(
    "variables",
    [
        {"userdata": "%%%", "userdata_encoding": "base64"},
        {"userdata": CODED, "userdata_encoding": "gz+b64"},
        {"userdata": PACKED[: len(PACKED) // 2 // 4 * 4], "userdata_encoding": "gz+b64"},
        {"userdata": "x", "userdata_encoding": "rot13"},
    ],
)
def test_broken_user_data_do_not_cost_the_metadata(
    variables: Mapping[str, str], tmp_path: Path
) -> None:
    seed = vmware(tmp_path, **variables, hostname="one")
    assert seed is not None
    assert (seed.user_data, seed.metadata.hostname) == (None, "one")
    assert seed.problems[0].startswith("vmware: userdata: ")


@pytest.mark.parametrize(
    "variables",
    [
        {"ovfEnv": "<broken"},
        {"metadata": "- list"},
        {"metadata": "%%%", "metadata_encoding": "base64"},
        {"interface_0_name": "eth0", "interface_0_ip_0_address": "10.0.0.1"},
        {"interface_0_mac": "no mac"},
        {"interface_0_name": "eth0", "interface_0_role": "other"},
        {"dns_server_0": "x", "interface_0_name": "eth0"},
    ],
)
def test_a_broken_variable_does_not_cost_the_user_data(
    variables: Mapping[str, str], tmp_path: Path
) -> None:
    seed = vmware(tmp_path, **variables, userdata=CODED, userdata_encoding="base64")
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert len(seed.problems) == 1
    assert seed.problems[0].startswith("vmware: ")


def test_a_small_variable_does_not_fill_the_memory(tmp_path: Path) -> None:
    bomb = base64.b64encode(gzip.compress(bytes(64 << 20))).decode()
    seed = vmware(tmp_path, userdata=bomb, userdata_encoding="gz+b64")
    assert seed is not None
    assert "more than 1048576" in seed.problems[0]


INTERFACE = {
    "interface_0_name": "ens*",
    "interface_0_mac": "00:50:56:AB:CD:EF",
    "interface_0_dhcp": "no",
    "interface_0_role": "private",
    "interface_0_ip_0_address": "10.4.0.2/24",
    "interface_0_ip_1_address": "fd00::2/64",
    "interface_0_route_0_gateway": "10.4.0.1",
    "interface_0_route_0_destination": "0.0.0.0/0",
    "interface_1_name": "ens224",
    "interface_1_dhcp": "yes",
    "dns_server_0": "192.0.2.53",
    "dns_server_1": "2001:db8::53",
    "dns_domain_0": "example.com",
}


def test_a_vmware_host_describes_the_network(tmp_path: Path) -> None:
    seed = vmware(tmp_path, hostname="one", **INTERFACE)
    assert seed is not None
    assert not seed.problems
    metadata = seed.metadata
    assert (metadata.hostname, metadata.private_ipv4) == ("one", "10.4.0.2")
    assert metadata.private_ipv6 == "fd00::2"
    first, second = metadata.interfaces
    assert first == Interface(
        name="ens*",
        mac="00:50:56:ab:cd:ef",
        addresses=("10.4.0.2/24", "fd00::2/64"),
        routes=(("0.0.0.0/0", "10.4.0.1"),),
        servers=("192.0.2.53", "2001:db8::53"),
        domains=("example.com",),
    )
    assert (second.name, second.dhcp, second.servers) == ("ens224", True, first.servers)
    assert Metadata.from_json(metadata.as_json()) == metadata


def ovf(**properties: str) -> str:
    lines = "".join(
        f'<Property oe:key="guestinfo.{name.replace("_", ".")}" oe:value="{value}"/>'
        for name, value in properties.items()
    )
    return (
        '<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" '
        'xmlns:oe="http://schemas.dmtf.org/ovf/environment/1">'
        f"<PropertySection>{lines}</PropertySection></Environment>"
    )


def test_an_ovf_deployment_may_set_the_same_variables(tmp_path: Path) -> None:
    by_host = vmware(tmp_path, hostname="one", **INTERFACE)
    by_property = vmware(tmp_path, ovfEnv=ovf(hostname="one", **INTERFACE))
    assert by_property == by_host


def test_an_ovf_deployment_may_name_a_url(tmp_path: Path) -> None:
    environment = ovf(coreos_config_url="https://config.example/x")
    seed = vmware(tmp_path, ovfEnv=environment, coreos_config_data_encoding="base64")
    assert seed is not None
    assert (seed.url, seed.encoding) == ("https://config.example/x", "base64")


def test_an_ovf_deployment_gives_its_properties(tmp_path: Path) -> None:
    environment = f"""<?xml version="1.0"?>
    <Environment xmlns="http://schemas.dmtf.org/ovf/environment/1"
      xmlns:oe="http://schemas.dmtf.org/ovf/environment/1">
     <PropertySection>
      <Property oe:key="user-data" oe:value="{CODED}"/>
      <Property oe:key="hostname" oe:value="one"/>
      <Property oe:key="public-keys" oe:value="{KEY}"/>
      <Property oe:key="empty" oe:value=""/>
     </PropertySection>
    </Environment>"""
    seed = vmware(tmp_path, ovfEnv=environment)
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert (seed.metadata.hostname, seed.metadata.public_keys) == ("one", (KEY,))


def test_a_host_is_asked_over_its_socket(tmp_path: Path) -> None:
    host = VmwareHost({"guestinfo.userdata": USER_DATA.decode()})
    world = replace(source_world(tmp_path), variables=VsockVariables(host.connect))
    seed = read(Source.VMWARE, world)
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert "info-get guestinfo.coreos.config.data" in host.requests
