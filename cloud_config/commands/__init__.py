"""One module for each subcommand of ``cloud-config``.

Each has ``add(verbs)``, which makes its parser and sets ``run``: a function of
the parsed options that returns the exit status.
"""
