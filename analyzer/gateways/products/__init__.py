"""The products: one module each, which holds a `PRODUCT`. Adding a gateway is adding one file here.

Families share texts: a product takes over the table of the one that it is built on and changes what differs.
"""
