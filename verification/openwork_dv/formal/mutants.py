"""Components with one line broken, to see that a proof would notice."""

import inspect
from collections.abc import Callable
from types import ModuleType


def mutant(module: ModuleType, healthy: str, broken: str, **replaced: object) -> ModuleType:
    """A twin of `module` in which the text `healthy`, which stands there once, reads `broken`.

    Args:
        module: where the component is defined.
        healthy, broken: source text.
        replaced: as for `around`.

    Raises:
        ValueError: the text is not there, or more than once.
    """
    count = inspect.getsource(module).count(healthy)
    if count != 1:
        raise ValueError(f"{module.__name__} holds {healthy!r} {count} times and not once: mend the test")
    return _twin(module, lambda source: source.replace(healthy, broken), replaced)


def around(module: ModuleType, **replaced: object) -> ModuleType:
    """A twin of `module` in which some names mean something else, such as a component that is broken itself."""
    return _twin(module, lambda source: source, replaced)


def _twin(module: ModuleType, edit: Callable[[str], str], replaced: dict[str, object]) -> ModuleType:
    made = ModuleType(f"{module.__name__}_twin")
    exec(compile(edit(inspect.getsource(module)), f"<twin of {module.__name__}>", "exec"), vars(made))
    vars(made).update(replaced)
    return made
