"""Each platform's metadata service, against a server as strict as the real one."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_config.sources.choosing import Source
from cloud_config.sources.reading import read
from cloud_config.sources.seed import Seed
from cloud_config.sources.settings import Settings
from osmodel.faults import TransientFailure, UntrustedData
from tests.fakes.media import RamMedia
from tests.fakes.metadata.platforms import (
    KEY,
    USER_DATA,
    Azure,
    DigitalOcean,
    Ec2,
    Gce,
    Hetzner,
    OpenStack,
    ovf_environment,
)
from tests.fakes.metadata.service import Asked, Platform, Reply, found, serving, unwell
from tests.fakes.sourceworld import source_world

SERVICES: dict[Source, Callable[[], Platform]] = {
    Source.AZURE: Azure,
    Source.DIGITALOCEAN: DigitalOcean,
    Source.EC2: Ec2,
    Source.GCE: Gce,
    Source.HETZNER: Hetzner,
    Source.OPENSTACK: OpenStack,
}


def seed_of(
    source: Source, platform: Platform, root: Path, settings: Settings | None = None
) -> Seed:
    with serving(platform) as server:
        world = source_world(root, address=server.url, settings=settings or Settings())
        seed = read(source, world)
    assert seed is not None
    return seed


@pytest.mark.parametrize(("source", "platform"), SERVICES.items())
def test_user_data_arrives_unchanged(
    source: Source, platform: Callable[[], Platform], tmp_path: Path
) -> None:
    assert seed_of(source, platform(), tmp_path).user_data == USER_DATA


WHAT_THEY_ARE = {
    Source.AZURE: ("02aab8a4-74ef-476e-8182-f6d2ba4166a6", "one", "10.1.0.4", "203.0.113.9"),
    Source.DIGITALOCEAN: ("2756294", "one", "10.132.255.113", "203.0.113.11"),
    Source.EC2: (
        "i-0123456789abcdef0",
        "ip-10-0-0-7.eu-central-1.compute.internal",
        "10.0.0.7",
        "203.0.113.7",
    ),
    Source.GCE: (
        "6789012345678901234",
        "one.europe-west3-a.c.project.internal",
        "10.156.0.2",
        "203.0.113.8",
    ),
    Source.HETZNER: ("42", "one", "10.3.0.2", "203.0.113.12"),
    Source.OPENSTACK: (
        "d8e02d56-2648-49a3-bf97-6be8f1204f38",
        "one.novalocal",
        "10.2.0.5",
        "203.0.113.10",
    ),
}


@pytest.mark.parametrize("source", WHAT_THEY_ARE)
def test_a_service_says_what_the_machine_is(source: Source, tmp_path: Path) -> None:
    metadata = seed_of(source, SERVICES[source](), tmp_path).metadata
    said = (metadata.instance_id, metadata.hostname, metadata.private_ipv4, metadata.public_ipv4)
    assert said == WHAT_THEY_ARE[source]
    assert metadata.source == source
    assert metadata.public_keys == (KEY,)


@pytest.mark.parametrize(("source", "platform"), SERVICES.items())
def test_a_service_that_comes_up_late_is_asked_again(
    source: Source, platform: Callable[[], Platform], tmp_path: Path
) -> None:
    late = unwell(platform(), 503, 500, 429)
    assert seed_of(source, late, tmp_path).user_data == USER_DATA


@pytest.mark.parametrize("source", SERVICES)
def test_a_service_that_stays_ill_is_given_up_at_the_deadline(
    source: Source, tmp_path: Path
) -> None:
    with serving(lambda _: Reply(503)) as server:
        world = source_world(tmp_path, address=server.url, settings=Settings(deadline_s=60))
        with pytest.raises(TransientFailure):
            read(source, world)
    assert 25 <= world.clock.monotonic() <= 60


@pytest.mark.parametrize("source", SERVICES)
def test_an_address_without_a_server_is_given_up_in_time(source: Source, tmp_path: Path) -> None:
    world = source_world(tmp_path, settings=Settings(deadline_s=60))  # nothing listens on port 9
    with pytest.raises(TransientFailure):
        read(source, world)
    assert world.clock.monotonic() <= 60


@pytest.mark.parametrize(
    ("source", "platform"),
    [
        (Source.DIGITALOCEAN, DigitalOcean(user_data=None)),
        (Source.EC2, Ec2(user_data=None)),
        (Source.GCE, Gce(attributes={})),
        (Source.HETZNER, Hetzner(user_data=None)),
        (Source.OPENSTACK, OpenStack(user_data=None)),
        (Source.AZURE, Azure(user_data=b"")),
    ],
)
def test_a_machine_without_user_data_still_has_metadata(
    source: Source, platform: Platform, tmp_path: Path
) -> None:
    seed = seed_of(source, platform, tmp_path)
    assert seed.user_data is None
    assert seed.metadata.instance_id


@pytest.mark.parametrize("source", [Source.EC2, Source.OPENSTACK, Source.HETZNER])
def test_binary_user_data_is_not_touched(source: Source, tmp_path: Path) -> None:
    packed = b"\x1f\x8b\x08\x00\xff\xfe\x00binary"
    platforms: dict[Source, Platform] = {
        Source.EC2: Ec2(user_data=packed),
        Source.OPENSTACK: OpenStack(user_data=packed),
        Source.HETZNER: Hetzner(user_data=packed),
    }
    assert seed_of(source, platforms[source], tmp_path).user_data == packed


def test_user_data_of_more_than_a_mebibyte_cost_themselves_alone(tmp_path: Path) -> None:
    seed = seed_of(Source.EC2, Ec2(user_data=b"x" * ((1 << 20) + 1)), tmp_path)
    assert seed.user_data is None
    assert "at most 1048576" in seed.problems[0]
    assert seed.metadata.public_keys == (KEY,)


USER_DATA_ALONE = {
    Source.AZURE: ("/metadata/instance/compute/userData", base64.b64encode(USER_DATA)),
    Source.DIGITALOCEAN: ("/metadata/v1/user-data", USER_DATA),
    Source.EC2: ("/latest/user-data", USER_DATA),
    Source.GCE: ("/computeMetadata/v1/instance/attributes/user-data", USER_DATA),
    Source.HETZNER: ("/hetzner/v1/userdata", USER_DATA),
    Source.OPENSTACK: ("/openstack/latest/user_data", USER_DATA),
}


@pytest.mark.parametrize("broken", [b"{", b"", b"\xff", b"<html>hello</html>", b"[]"])
@pytest.mark.parametrize("source", SERVICES)
def test_broken_metadata_do_not_cost_the_user_data(
    source: Source, broken: bytes, tmp_path: Path
) -> None:
    place, content = USER_DATA_ALONE[source]

    def answer(asked: Asked) -> Reply:
        body = content if asked.path.startswith(place) else broken
        body = b"token" if asked.path.endswith("/token") else body
        return Reply(200, body, {"Metadata-Flavor": "Google"})

    assert seed_of(source, answer, tmp_path).user_data == USER_DATA


@pytest.mark.parametrize("source", [Source.EC2, Source.HETZNER, Source.OPENSTACK])
@pytest.mark.parametrize("status", [500, 403])
def test_metadata_that_are_refused_do_not_cost_the_user_data(
    source: Source, status: int, tmp_path: Path
) -> None:
    place, content = USER_DATA_ALONE[source]

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/token"):
            return found("token")
        return found(content) if asked.path.startswith(place) else Reply(status)

    seed = seed_of(source, answer, tmp_path, Settings(deadline_s=20))
    assert seed.user_data == USER_DATA
    assert seed.problems


# --- what only one platform does


def test_ec2_is_asked_with_a_token_alone(tmp_path: Path) -> None:
    with serving(Ec2()) as server:
        read(Source.EC2, source_world(tmp_path, address=server.url))
    first, *others = server.asked
    assert (first.method, first.path) == ("PUT", "/latest/api/token")
    assert all(asked.headers["x-aws-ec2-metadata-token"] == Ec2().token for asked in others)


def test_ec2_without_tokens_is_not_asked_unless_allowed(tmp_path: Path) -> None:
    with (
        serving(Ec2(tokens=False, required=False)) as server,
        pytest.raises(UntrustedData, match="no session token") as caught,
    ):
        read(Source.EC2, source_world(tmp_path, address=server.url))
    assert "allow_imds_v1" in caught.value.hint
    assert server.paths == ["/latest/api/token"]


def test_ec2_without_tokens_is_asked_if_allowed(tmp_path: Path) -> None:
    old = Ec2(tokens=False, required=False)
    seed = seed_of(Source.EC2, old, tmp_path, Settings(allow_imds_v1=True))
    assert seed.user_data == USER_DATA


@pytest.mark.parametrize("token", [b"", b"\xff", b"a\r\nHost: x", b"a b"])
def test_a_token_that_is_none_is_not_sent(token: bytes, tmp_path: Path) -> None:
    with pytest.raises(UntrustedData, match="no session token"):
        seed_of(Source.EC2, lambda _: found(token), tmp_path)


def test_a_disabled_ec2_service_is_not_asked_for_five_minutes(tmp_path: Path) -> None:
    with serving(lambda _: Reply(403)) as server:
        world = source_world(tmp_path, address=server.url)
        with pytest.raises(UntrustedData):
            read(Source.EC2, world)
    assert world.clock.monotonic() < 1


def test_a_name_for_each_dhcp_domain_is_one_name(tmp_path: Path) -> None:
    names = Ec2(extra={"local-hostname": "one.first one.second"})
    assert seed_of(Source.EC2, names, tmp_path).metadata.hostname == "one.first"


def test_gce_is_believed_only_with_its_mark(tmp_path: Path) -> None:
    def impostor(asked: Asked) -> Reply:
        return replace_headers(Gce()(asked))

    def replace_headers(reply: Reply) -> Reply:
        return reply._replace(headers={})

    with pytest.raises(UntrustedData, match="not the metadata server"):
        seed_of(Source.GCE, impostor, tmp_path)


def test_gce_user_data_may_be_base64(tmp_path: Path) -> None:
    text = base64.b64encode(b"\x1f\x8bbinary").decode()
    gce = Gce(attributes={"user-data": text, "user-data-encoding": "base64"})
    assert seed_of(Source.GCE, gce, tmp_path).user_data == b"\x1f\x8bbinary"


def test_gce_keys_are_those_of_core_that_do_not_expire(tmp_path: Path) -> None:
    lines = [
        f"core:{KEY}",
        "someone:ssh-ed25519 AAAA someone",
        'core:ssh-rsa BBBB google-ssh {"userName":"x","expireOn":"2026-01-01T00:00:00+0000"}',
    ]
    gce = Gce(attributes={"ssh-keys": "\n".join(lines)}, project={"ssh-keys": "core:ssh-rsa CC"})
    assert seed_of(Source.GCE, gce, tmp_path).metadata.public_keys == (KEY, "ssh-rsa CC")


def test_gce_project_keys_can_be_blocked(tmp_path: Path) -> None:
    gce = Gce(
        attributes={"ssh-keys": f"core:{KEY}", "block-project-ssh-keys": "TRUE"},
        project={"ssh-keys": "core:ssh-rsa CC"},
    )
    assert seed_of(Source.GCE, gce, tmp_path).metadata.public_keys == (KEY,)


def test_azure_custom_data_goes_before_user_data(tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    medium.mkdir()
    (medium / "ovf-env.xml").write_bytes(ovf_environment(b"#cloud-config\nhostname: custom\n"))
    with serving(Azure()) as server:
        media = RamMedia(drives=[None, medium])
        seed = read(Source.AZURE, source_world(tmp_path, media=media, address=server.url))
    assert seed is not None
    assert seed.user_data == b"#cloud-config\nhostname: custom\n"
    assert seed.metadata.hostname == "from-the-medium"
    assert seed.metadata.private_ipv4 == "10.1.0.4"
    assert seed.metadata.instance_id.startswith("02aab8a4")


@pytest.mark.parametrize(
    "content", [b"", b"<a>", b"\xff\xfe\x00", b"<?xml version='1.0'?><a>&b;</a>"]
)
def test_a_broken_azure_medium_does_not_cost_the_service(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ovf-env.xml").write_bytes(content)
    with serving(Azure()) as server:
        world = source_world(tmp_path, media=RamMedia(drives=[tmp_path]), address=server.url)
        seed = read(Source.AZURE, world)
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert seed.problems == ("azure: ovf-env.xml is not XML",)


def test_an_azure_medium_is_enough_without_the_service(tmp_path: Path) -> None:
    (tmp_path / "ovf-env.xml").write_bytes(ovf_environment(USER_DATA))
    world = source_world(
        tmp_path, media=RamMedia(drives=[tmp_path]), settings=Settings(deadline_s=20)
    )
    seed = read(Source.AZURE, world)
    assert seed is not None
    assert seed.user_data == USER_DATA
    assert seed.problems


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'"x"', b"\xff"])
@pytest.mark.parametrize("source", [Source.AZURE, Source.DIGITALOCEAN])
def test_nonsense_is_not_believed(source: Source, body: bytes, tmp_path: Path) -> None:
    seed = seed_of(source, lambda _: found(body), tmp_path)
    assert seed.problems
    assert seed.is_empty


SHAPES = [
    {"instance": None, "compute": 3, "interfaces": [], "uuid": {}, "public_keys": "x"},
    {"instance": {"networkInterfaces": {}}, "network": {"interface": [[]]}, "public_keys": [3]},
    {"interfaces": {"public": [None]}, "compute": {"publicKeys": ["x"]}, "networks": 7},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "source", [Source.AZURE, Source.DIGITALOCEAN, Source.GCE, Source.OPENSTACK, Source.HETZNER]
)
def test_another_shape_is_read_as_nothing_said(
    source: Source, shape: dict[str, object], tmp_path: Path
) -> None:
    body = json.dumps(shape).encode()
    reply = Reply(200, body, {"Metadata-Flavor": "Google"})

    def answer(asked: Asked) -> Reply:
        is_user_data = "user" in asked.path.rpartition("/")[2]
        is_list = "private-networks" in asked.path
        return Reply(404) if is_user_data or is_list else reply

    metadata = seed_of(source, answer, tmp_path).metadata
    assert not metadata.addresses
    assert metadata == replace(metadata, public_keys=())
