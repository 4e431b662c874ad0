"""The first program of a boot: finds the slot, verifies it, hands over to systemd."""
