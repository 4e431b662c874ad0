"""Writes a finished disk image onto an SD card or a disk, and reads it back."""
