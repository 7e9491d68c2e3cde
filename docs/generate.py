"""Write docs/reference.md: what every family offers, told from the members themselves."""

from pathlib import Path

from prunescope.study import catalog

HEAD = "# Reference\n\nWritten by `make docs` from the members themselves; `prunescope explain NAME` tells the same.\n"


def reference() -> str:
    """Return the page."""
    parts = [HEAD]
    for family in (*catalog.FAMILIES, catalog.STUDIES):
        parts.append(f"## {family.replace('_', ' ').capitalize()}\n")
        parts += [f"```text\n{catalog.explain_in(family, name)}\n```\n" for name in catalog.members(family)]
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("reference.md").write_text(reference(), "utf-8")
