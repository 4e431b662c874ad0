"""What boots: file system, hash tree, initrd, kernel image, ESP and disk."""
