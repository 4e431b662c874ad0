"""Carry out a payload: check it, stream it into the passive slot, verify the slot."""
