"""Components with one line broken, to see that a proof would notice."""

import inspect
import re
from collections.abc import Callable
from types import ModuleType


def mutant(module: ModuleType, healthy: str, broken: str, **replaced: object) -> ModuleType:
    """A twin of `module` in which the text `healthy`, which stands there once, reads `broken`.

    Args:
        module: where the component is defined.
        healthy, broken: source text; of `healthy`, lines and spaces do not matter.
        replaced: as for `around`.

    Raises:
        ValueError: the text is not there, or more than once.
    """
    return _twin(module, lambda source: broken_source(module.__name__, source, healthy, broken), replaced)


def broken_source(name: str, source: str, healthy: str, broken: str) -> str:
    """The source in which the text `healthy`, which stands there once, reads `broken`.

    Args:
        name: of the module, for the message.
        healthy, broken: source text; of `healthy`, lines and spaces do not matter.

    Raises:
        ValueError: the text is not there, or more than once.
    """
    # The same tokens, with any space between.
    tokens = r"\s*".join(map(re.escape, re.findall(r"\w+|\S", healthy)))
    count = len(re.findall(tokens, source))
    if count != 1:
        raise ValueError(f"{name} holds {healthy!r} {count} times and not once: mend the list of mutants")
    return re.sub(tokens, lambda _: broken, source)


def around(module: ModuleType, **replaced: object) -> ModuleType:
    """A twin of `module` in which some names mean something else, such as a component that is broken itself."""
    return _twin(module, lambda source: source, replaced)


def _twin(module: ModuleType, edit: Callable[[str], str], replaced: dict[str, object]) -> ModuleType:
    made = ModuleType(f"{module.__name__}_twin")
    exec(compile(edit(inspect.getsource(module)), f"<twin of {module.__name__}>", "exec"), vars(made))
    vars(made).update(replaced)
    return made
