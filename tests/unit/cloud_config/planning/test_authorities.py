"""The certificates of a document on their way into /etc/ssl/certs."""

from cloud_config.document.certificates import Certificate
from cloud_config.document.model import Document
from cloud_config.planning.actions import LinkFile, PutFile
from cloud_config.planning.authorities import BUNDLE, without_ours
from cloud_config.planning.facts import Facts
from cloud_config.planning.plan import Plan, plan
from tests.fakes.cloudmachine import CloudMachine
from tests.fakes.ramtree import Leaf

FIRST = Certificate("-- first --\n", "a" * 64, "0000000a")
SECOND = Certificate("-- second --\n", "b" * 64, "0000000a")
IMAGE = "-- image --\n"


def planned(*certificates: Certificate, bundle: str = IMAGE) -> Plan:
    return plan(Document(authorities=certificates), Facts(image_bundle=bundle))


def bundle_of(made: Plan) -> str:
    (found,) = (a for a in made.actions if isinstance(a, PutFile) and a.path == BUNDLE)
    return found.content.decode()


def test_the_bundle_is_the_images_with_these_at_its_end() -> None:
    note = "# By cloud-config: ca_certs\n"
    assert bundle_of(planned(FIRST, SECOND)) == f"{IMAGE}{note}{FIRST.pem}{SECOND.pem}"
    assert bundle_of(planned(FIRST, FIRST, bundle="")) == f"{note}{FIRST.pem}"


def test_a_bundle_that_has_them_already_is_made_anew() -> None:
    assert bundle_of(planned(SECOND, bundle=bundle_of(planned(FIRST)))) == bundle_of(
        planned(SECOND)
    )
    assert without_ours(bundle_of(planned(FIRST))) == IMAGE


def test_openssl_finds_each_even_if_two_have_one_name() -> None:
    made = planned(FIRST, SECOND)
    links = {a.path: a.target for a in made.actions if isinstance(a, LinkFile)}
    assert links == {
        "/etc/ssl/certs/0000000a.0": f"cloud-config-{'a' * 16}.pem",
        "/etc/ssl/certs/0000000a.1": f"cloud-config-{'b' * 16}.pem",
    }
    written = {a.path for a in made.actions if isinstance(a, PutFile)}
    assert {f"/etc/ssl/certs/{target}" for target in links.values()} <= written


def test_a_document_without_any_leaves_the_images_alone() -> None:
    assert not planned().actions


def test_the_image_gets_its_own_bundle_back() -> None:
    machine = CloudMachine()
    machine.image.leaves[BUNDLE] = machine.tree.leaves[BUNDLE] = Leaf(content=IMAGE.encode())
    before = dict(machine.tree.leaves)
    assert not machine.apply(*planned(FIRST, SECOND).actions).errors
    assert machine.tree.leaves[BUNDLE].content == bundle_of(planned(FIRST, SECOND)).encode()
    machine.apply()
    assert machine.tree.leaves == before
