"""The options that name the kind of machine an image is for."""

from __future__ import annotations

import argparse

from osmodel.platforms import ARCHITECTURES, TARGETS, Platform, Target, check


def add_target(top: argparse.ArgumentParser, *, note: str) -> None:
    """Add the options to a command line.

    Args:
        top: the command line.
        note: what holds without them.
    """
    known = " or ".join(ARCHITECTURES)
    top.add_argument("--arch", default="", help=f"of the machines: {known}; {note}")
    known = " or ".join(Platform)
    top.add_argument("--platform", default="", help=f"how they boot: {known}")


def target_of(options: argparse.Namespace) -> Target:
    """The target that the options name; a platform alone implies its architecture.

    Raises:
        InvalidInput: there is no such target.
    """
    platform = options.platform or Platform.UEFI.value
    fitting = next((target for target in TARGETS if target.platform == platform), None)
    architecture = options.arch or (fitting.architecture if fitting else TARGETS[0].architecture)
    check(architecture, platform)
    return Target(architecture, Platform(platform))
