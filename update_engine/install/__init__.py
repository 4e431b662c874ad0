"""Carry out a payload: check it, stream it into the passive slot, seal the slot."""
