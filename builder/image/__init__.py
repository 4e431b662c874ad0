"""The disk image: file system, hash tree, partitions, ESP, and the formats it comes in."""
