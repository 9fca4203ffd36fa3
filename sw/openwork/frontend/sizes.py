"""Sizes of a program as expressions: parsed and bounded before PyTorch, which evaluates them as Python, sees them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

MAX_LENGTH = 8192
MAX_DEPTH = 40
MAX_NODES = 512
MAX_DEGREE = 16
"""Most factors of a product of symbols."""
MAX_TERMS = 256
"""Most terms of the sum that an expression becomes when all its products are carried out."""
MAX_EXTREMES = 8
"""Max and Min of an expression, and arguments of each; each argument is compared with all others."""
MAX_NUMBER = 1 << 63

TOKEN = re.compile(
    r"\s*(?:(\d{1,20}(?:\.\d{1,20})?(?:e[+-]?\d{1,3})?)|([A-Za-z_]\w{0,40})|'([^'\\\n]{0,40})'|(//|\*\*|[-+*/%(),=<>]))"
)
SYMBOL = re.compile(r"[a-z]{1,8}\d{1,6}")
FLOAT = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?(e[+-]?\d{1,3})?")
ASSUMPTIONS = ("integer", "nonnegative", "nonzero", "positive", "real")

FUNCTIONS = {
    "Add": (1, 64), "Mul": (1, 64), "Pow": (2, 2), "PowByNatural": (2, 2),
    "Max": (1, MAX_EXTREMES), "Min": (1, MAX_EXTREMES),
    "Mod": (2, 2), "PythonMod": (2, 2), "FloorDiv": (2, 2), "CleanDiv": (2, 2), "CeilDiv": (2, 2),
    "IntTrueDiv": (2, 2), "FloatTrueDiv": (2, 2),
    "ToFloat": (1, 1), "TruncToFloat": (1, 1), "TruncToInt": (1, 1), "CeilToInt": (1, 1), "FloorToInt": (1, 1),
    "RoundToInt": (1, 1), "Identity": (1, 1),
    "Equality": (2, 2), "Eq": (2, 2), "Unequality": (2, 2), "Ne": (2, 2),
    "StrictLessThan": (2, 2), "StrictGreaterThan": (2, 2), "LessThan": (2, 2), "GreaterThan": (2, 2),
    "And": (1, 16), "Or": (1, 16), "Not": (1, 1),
}  # fmt: skip
"""What `torch.export` writes, and how many arguments it takes."""


class SizeError(Exception):
    """An expression that is not a size. The message says why, in words that follow the expression."""


@dataclass(frozen=True)
class Size:
    """A part of an expression.

    Attributes:
        text: the expression in the form that `torch.export` writes.
        value: the value, if the expression has no symbol.
        nodes, depth, degree, terms, extremes: what the bounds above are for.
    """

    text: str
    value: int | None = None
    nodes: int = 1
    depth: int = 1
    degree: int = 0
    terms: int = 1
    extremes: int = 0


def canonical(expression: str) -> str:
    """The same expression as calls of functions, if it is arithmetic that ends soon.

    >>> canonical("8*s0 + 1"), canonical("Mul(Integer(2), Symbol('s0', integer=True))")
    ("Add(Mul(Integer(8), Symbol('s0')), Integer(1))", "Mul(Integer(2), Symbol('s0', integer=True))")

    Args:
        expression: whole numbers, symbols, + - * // % and parentheses, `FUNCTIONS`.

    Raises:
        SizeError: it holds something else, or exceeds a bound.
    """
    if len(expression) > MAX_LENGTH:
        raise SizeError(f"is of {len(expression):,} characters; {MAX_LENGTH:,} are possible")
    reader = _Reader(expression)
    size = reader.sum(0)
    if reader.token is not None:
        raise SizeError(f"has {reader.token[1]!r} where it should end")
    return size.text


class _Reader:
    """Goes through the tokens, each a kind (number, name, text, sign) and its text; `token` is the next, None at the end."""

    def __init__(self, expression: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(expression.rstrip()):
            found = TOKEN.match(expression, place)
            if found is None:
                raise SizeError(f"has {expression[place:].strip()[:10]!r}, which is no arithmetic")
            kind = ("number", "name", "text", "sign")[(found.lastindex or 1) - 1]
            self.tokens.append((kind, found.group(found.lastindex or 1)))
            place = found.end()
        self.place = 0

    @property
    def token(self) -> tuple[str, str] | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self, *texts: str) -> str | None:
        """The next sign, if it is one of these."""
        if self.token is not None and self.token[0] == "sign" and self.token[1] in texts:
            self.place += 1
            return self.tokens[self.place - 1][1]
        return None

    def need(self, text: str) -> None:
        if not self.take(text):
            raise SizeError(f"lacks a {text!r}")

    def sum(self, depth: int) -> Size:
        if depth > MAX_DEPTH:
            raise SizeError(f"is nested more than {MAX_DEPTH} deep")
        negative = self.take("+", "-") == "-"
        left = self.product(depth)
        if negative:
            left = made("Mul", [number(-1), left])
        while sign := self.take("+", "-"):
            right = self.product(depth)
            left = made("Add", [left, made("Mul", [number(-1), right]) if sign == "-" else right])
        return left

    def product(self, depth: int) -> Size:
        left = self.power(depth)
        while sign := self.take("*", "//", "%"):
            left = made({"*": "Mul", "//": "FloorDiv", "%": "Mod"}[sign], [left, self.power(depth)])
        return left

    def power(self, depth: int) -> Size:
        left = self.atom(depth)
        return made("Pow", [left, self.atom(depth)]) if self.take("**") else left

    def atom(self, depth: int) -> Size:
        if self.take("("):
            inner = self.sum(depth + 1)
            self.need(")")
            return inner
        if self.token is None:
            raise SizeError("ends too early")
        kind, text = self.token
        self.place += 1
        if kind == "number" and text.isdigit():
            return number(int(text))
        if kind == "name":
            return self.name(text, depth)
        raise SizeError(f"has {text!r}, which is no arithmetic")

    def name(self, name: str, depth: int) -> Size:
        if not self.take("("):
            if name in ("true", "false"):
                return Size(name)
            return symbol(name, "")
        if name in ("Integer", "Rational"):
            values = [self.whole()]
            while self.take(","):
                values.append(self.whole())
            self.need(")")
            return number(*values)
        if name in ("Symbol", "Float"):
            text, rest = self.text(), ""
            while self.take(","):
                rest += f", {self.assumption()}"
            self.need(")")
            return symbol(text, rest) if name == "Symbol" else real(text, rest)
        if name not in FUNCTIONS:
            raise SizeError(f"calls {name!r}, which is no arithmetic")
        arguments = [self.sum(depth + 1)]
        while self.take(","):
            arguments.append(self.sum(depth + 1))
        self.need(")")
        return made(name, arguments)

    def whole(self) -> int:
        negative = self.take("-")
        if self.token is None or self.token[0] != "number" or not self.token[1].isdigit():
            raise SizeError("has no whole number where one should be")
        self.place += 1
        return int(self.tokens[self.place - 1][1]) * (-1 if negative else 1)

    def text(self) -> str:
        if self.token is None or self.token[0] != "text":
            raise SizeError("has no name where one should be")
        self.place += 1
        return self.tokens[self.place - 1][1]

    def assumption(self) -> str:
        words = [text for _, text in self.tokens[self.place : self.place + 3]]
        self.place += 3
        known = words[0] in ASSUMPTIONS and words[2] in ("True", "False") if len(words) == 3 else False
        if words[1:2] != ["="] or not (known or (words[0] == "precision" and words[2].isdigit() and len(words[2]) < 4)):
            raise SizeError(f"says {' '.join(words)!r} of a symbol")
        return "".join(words)


def number(*parts: int) -> Size:
    """A whole number, or a fraction of two."""
    if len(parts) > 2 or any(abs(part) > MAX_NUMBER for part in parts) or parts[1:] == (0,):
        raise SizeError(f"has a number {' / '.join(map(str, parts))}, beyond 64 bits")
    if len(parts) == 2:
        return Size(f"Rational({parts[0]}, {parts[1]})")
    return Size(f"Integer({parts[0]})", parts[0])


def symbol(name: str, assumptions: str) -> Size:
    """A size that is not known yet."""
    if not SYMBOL.fullmatch(name) or "precision" in assumptions:
        raise SizeError(f"has {name!r}, which is no symbol")
    return Size(f"Symbol('{name}'{assumptions})", degree=1)


def real(text: str, precision: str) -> Size:
    """A floating point number."""
    if not FLOAT.fullmatch(text) or not re.fullmatch(r"(, precision=\d+)?", precision):
        raise SizeError(f"has {text!r}, which is no number")
    return Size(f"Float('{text}'{precision})")


def made(name: str, arguments: Sequence[Size]) -> Size:
    """A function of sizes, within the bounds."""
    least, most = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise SizeError(f"calls {name} with {len(arguments)} arguments")
    degrees, terms = [one.degree for one in arguments], [one.terms for one in arguments]
    values = [one.value for one in arguments if one.value is not None]
    value, degree, count = None, max(degrees), 1
    if name == "Add":
        count = sum(terms)
        value = sum(values) if len(values) == len(arguments) else None
    elif name == "Mul":
        degree, count = sum(degrees), prod(terms)
        value = prod(values) if len(values) == len(arguments) else None
    elif name in ("Pow", "PowByNatural"):
        exponent = arguments[1].value
        if exponent is None or not -1 <= exponent <= MAX_DEGREE:
            raise SizeError(f"has a power whose exponent is not a whole number up to {MAX_DEGREE}")
        degree, count = degrees[0] * abs(exponent), terms[0] ** abs(exponent)
        base = arguments[0].value
        value = base**exponent if base is not None and exponent >= 0 else None
    size = Size(
        f"{name}({', '.join(one.text for one in arguments)})",
        value,
        1 + sum(one.nodes for one in arguments),
        1 + max(one.depth for one in arguments),
        degree,
        count,
        sum(one.extremes for one in arguments) + (name in ("Max", "Min")),
    )
    for what, found, limit in (
        ("parts", size.nodes, MAX_NODES),
        ("levels", size.depth, MAX_DEPTH),
        ("factors", size.degree, MAX_DEGREE),
        ("terms", size.terms, MAX_TERMS),
        ("Max and Min", size.extremes, MAX_EXTREMES),
    ):
        if found > limit:
            raise SizeError(f"has {found:,} {what}; {limit:,} are possible")
    if value is not None and abs(value) > MAX_NUMBER:
        raise SizeError("comes to a number beyond 64 bits")
    return size
