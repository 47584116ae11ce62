"""Names of plants."""


def title(name: str) -> str:
    """Return a botanical name as it is printed: the genus with a capital, the species without."""
    genus, *rest = name.split()
    return " ".join([genus.capitalize(), *(word.lower() for word in rest)])
