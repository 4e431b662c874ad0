"""What health checks add up to, and what follows."""

import itertools

from tests.fakes.page import table
from update_engine.core.health import (
    STARTUP,
    CheckResult,
    Health,
    Moment,
    Verdict,
    consequence,
    is_stable,
    verdict,
)

GOOD, BAD = CheckResult("10-a", passed=True), CheckResult("20-b", passed=False, message="no")


def test_every_check_must_pass() -> None:
    assert verdict([GOOD]) == Verdict(Health.HEALTHY)
    assert verdict([GOOD, BAD]) == Verdict(Health.UNHEALTHY, BAD)
    assert verdict([]) == Verdict(Health.HEALTHY)


VERDICTS = {"healthy": Verdict(Health.HEALTHY), "unhealthy": Verdict(Health.UNHEALTHY, BAD)}
VERSIONS = {"on trial": True, "blessed": False}


def test_the_page_says_what_a_verdict_leads_to() -> None:
    rows = {row[:2]: row[2] for row in table("update-engine.md", "What a verdict leads to")}
    assert rows == {
        (said, version): consequence(VERDICTS[said], on_trial=VERSIONS[version]).value
        for said, version in itertools.product(VERDICTS, VERSIONS)
    }


LATE = Verdict(Health.UNHEALTHY, CheckResult(STARTUP, passed=False))
PENDING = Verdict(Health.PENDING)
BOOTS = {
    "healthy": VERDICTS["healthy"],
    "unhealthy": VERDICTS["unhealthy"],
    "no verdict at the deadline": LATE,
    "no verdict yet": PENDING,
}


def test_the_page_says_which_boots_are_stable() -> None:
    rows = {row[0]: row[1:] for row in table("update-engine.md", "Which boots are stable")}
    assert rows == {
        said: tuple(
            "yes" if is_stable(judged, moment, on_trial=on_trial) else "no"
            for on_trial in (False, True)
            for moment in (Moment.AFTER_A_WHILE, Moment.ORDERLY_END)
        )
        for said, judged in BOOTS.items()
    }
