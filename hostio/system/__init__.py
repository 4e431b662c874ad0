"""The running system: programs, service manager, accounts, kernel calls, clock."""
