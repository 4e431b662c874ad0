"""Telling a web page from what was asked for.

Networks with a login page answer every request with that page and "200 OK". To
an operator "this is a login page" says more than "this is no valid metadata".
"""

from __future__ import annotations

import re

LONGEST_OPENING = 512  # bytes that are looked at
# Possessive, so that no page can make this take its time.
_PAGE = re.compile(
    rb"\s*+(?:<!--.*?-->\s*+|<\?xml[^>]*+>\s*+)*+<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)


def is_web_page(content: bytes) -> bool:
    """Whether ``content`` begins as an HTML page does."""
    return _PAGE.match(content[:LONGEST_OPENING].removeprefix(b"\xef\xbb\xbf")) is not None
