"""Reading from the network: mirrors, services of the platform, local sockets."""
