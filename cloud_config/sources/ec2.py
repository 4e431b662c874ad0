"""Amazon EC2: the instance metadata service, version 2.

A session token is fetched first and sent with each question; a service that is
reached through a careless proxy or an open relay cannot be asked that way.
Version 1, which needs no token, is used only where the settings allow it.

Source: Amazon EC2 User Guide, "Use the Instance Metadata Service".
"""

from __future__ import annotations

import re
from dataclasses import replace

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from cloud_config.sources.seed import Parts, Seed, given
from cloud_config.sources.service import Refused, Service
from osmodel.faults import UntrustedData

_TOKEN = "/latest/api/token"  # noqa: S105 - the path of the service that gives one
_LIFETIME = {"X-aws-ec2-metadata-token-ttl-seconds": "600"}
_TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
_TOKEN_FORM = re.compile(rb"[!-~]{1,4096}")  # fit for a header
_DATA = "/latest/meta-data/"


def read_service(service: Service, *, allow_v1: bool) -> Seed:
    """The seed of an instance.

    Args:
        service: where it answers.
        allow_v1: ask without a token if the service has none.

    Raises:
        TransientFailure: no answer before the deadline.
        UntrustedData: no token and version 1 is not allowed.
    """
    service = _with_token(service, allow_v1=allow_v1)
    parts = Parts()
    user_data = parts.read(lambda: given(service.find("/latest/user-data")), None)

    def text(name: str) -> str:
        return parts.read(lambda: service.text(_DATA + name), "")

    metadata = Metadata(
        source="ec2",
        instance_id=text("instance-id"),
        hostname=_first_word(text("local-hostname")),
        public_keys=parts.read(lambda: _keys(service), ()),
        private_ipv4=address(text("local-ipv4")),
        public_ipv4=address(text("public-ipv4")),
        public_ipv6=address(text("ipv6"), 6),
    )
    return Seed(metadata, user_data, problems=parts.problems)


def _with_token(service: Service, *, allow_v1: bool) -> Service:
    try:
        answer = replace(service, headers=_LIFETIME).ask(_TOKEN, "PUT")
    except Refused:
        answer = None
    token = b"" if answer is None else answer.body.strip()
    if _TOKEN_FORM.fullmatch(token):
        return replace(service, headers={_TOKEN_HEADER: token.decode()})
    if not allow_v1:
        raise UntrustedData(
            "ec2: the metadata service gives no session token",
            hint="enable IMDSv2, or set allow_imds_v1 in /etc/cloud-config/config.d",
        )
    return service


def _keys(service: Service) -> tuple[str, ...]:
    """The keys; the list has a line ``NUMBER=NAME`` for each."""
    listed = service.text(_DATA + "public-keys/")
    numbers = [line.partition("=")[0] for line in listed.splitlines()]
    wanted = [number for number in numbers if number.isascii() and number.isdecimal()]
    lines = [service.text(f"{_DATA}public-keys/{number}/openssh-key") for number in wanted]
    return cleaned_keys(line for text in lines for line in text.splitlines())


def _first_word(text: str) -> str:
    # With several DHCP domains the name has them all, separated by blanks.
    return text.split(maxsplit=1)[0] if text else ""
