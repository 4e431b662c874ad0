"""The update payload: CrAU major version 2, as bytes and as values.

``layout`` knows the header and the limits, ``wire`` the encoding of single
fields, ``message`` whole records, ``manifest`` the records themselves and
``structure`` which manifests a machine may act on. The byte tables are in
docs/formats/payload.md.
"""
