"""Disks, their partitions and file systems, as far as ports of ours reach them."""
