"""Boots built images in QEMU, for users and for the tests."""
