"""Keys and values that machines of a fleet share: a port, etcd, and a file where there is none."""
