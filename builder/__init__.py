"""Make images and payloads from a definition; never installed on a host."""
