"""Charts: one description each, drawn for the page and as a figure."""
