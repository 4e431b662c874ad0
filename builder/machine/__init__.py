"""Boots built images in QEMU, for people and for the tests."""
