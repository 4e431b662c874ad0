"""Private keys, and signatures made with them."""
