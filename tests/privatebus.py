"""A message bus of a test's own, by the real dbus-daemon."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hostio.system.clock import SystemClock
from hostio.system.runner import Command
from hostio.system.spawner import LocalSpawner

needs_dbus = pytest.mark.skipif(
    not (shutil.which("dbus-daemon") and shutil.which("busctl")), reason="needs D-Bus"
)

# As the system bus: nobody owns a name or calls a method unless a policy lets them.
STRICT = """
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
"""
# As a session bus.
OPEN = """
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
"""
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  {policy}
</busconfig>
"""


@contextmanager
def private_bus(directory: Path, policy: str = OPEN) -> Iterator[str]:
    """Start a bus and hand out its address.

    Args:
        directory: for its socket, configuration and messages.
        policy: XML between the elements of a bus configuration.
    """
    socket, config = directory / "bus", directory / "bus.conf"
    config.write_text(_CONFIG.format(socket=socket, policy=policy))
    command = Command(["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"])
    log = directory / "bus.log"
    process = LocalSpawner().spawn(command, log)
    clock = SystemClock()
    try:
        until = clock.monotonic() + 30
        # It tells its address once it listens; the socket is there before that.
        while "unix:" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert clock.monotonic() < until
            clock.sleep(0.02)
        socket.chmod(0o777)
        yield f"unix:path={socket}"
    finally:
        process.kill()
        process.wait(10)
