"""`hsanalyze --list-gateways`: the products that `--gateway` takes."""

from __future__ import annotations

from analyzer.gateways import catalogue
from analyzer.trust.profile import profile_of

__all__ = ["listing"]


def listing() -> str:
    """One product a line: its name, its title, the validator that it follows, and the profile of that."""
    rows = [("name", "product", "validator", "profile")]
    for product in catalogue().values():
        if product.profile is None:
            rows.append((product.name, product.title, "none: it verifies nothing", "-"))
            continue
        profile = profile_of(product.profile)
        title = profile.title if profile.measured else f"{profile.title}, not measured"
        rows.append((product.name, product.title, f"{title}*" if product.nearest else title, profile.name))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*table, "", "* the nearest profile: the product's own validator was not measured"])
