"""ELF files: what they need, whether they find it, how they are hardened."""
