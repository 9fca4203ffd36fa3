"""Names that came with a model, before anyone sees them."""


def printable(name: str) -> str:
    r"""A name with a replacement character for all that is no visible character: controls, line ends, changes of direction.

    >>> printable("conv\x1b[31m\n\u202e1")
    'conv\ufffd[31m\ufffd\ufffd1'
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def shortened(name: str, most: int) -> str:
    """A printable name of at most `most` characters: the last ones, in which the steps of a model differ.

    >>> shortened("features.denseblock4.denselayer16.conv2", 20)
    '….denselayer16.conv2'
    """
    name = printable(name)
    return name if len(name) <= most else f"…{name[1 - most :]}"
