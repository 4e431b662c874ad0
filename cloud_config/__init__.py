"""First-boot configuration: find user data, read them, plan what they ask for, do it."""
