"""Keep a host's passive slot up to date and leave a bad version by itself."""
