"""The reboot manager: who may reboot, when, and what happens after it."""
