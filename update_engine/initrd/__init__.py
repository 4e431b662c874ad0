"""The first program of a start: finds the slot, proves it, hands over to systemd."""
