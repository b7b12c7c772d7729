"""The finite field GF(p), and the symbols that name its elements in texts."""

from dataclasses import dataclass
from functools import cache
from random import Random

INVERSE_OPERATION = {"+": "-", "*": "/", "-": "+", "/": "*"}


@dataclass(frozen=True)
class Field:
    """GF(p) for a prime p. The elements are the integers 0..p-1.

    ``names[v]`` is the symbol of element v in all texts. The symbols are e0..e{p-1} in a permuted
    order, so that a language model's knowledge of numerals does not help.
    """

    p: int
    names: tuple[str, ...]
    inverses: tuple[int, ...]  # inverses[v] * v == 1 (mod p); inverses[0] is unused

    def apply(self, operation: str, a: int, b: int) -> int:
        """Return ``a operation b`` in GF(p), for an operation in ``+ - * /``.

        Raises ZeroDivisionError for a division by 0.
        """
        if operation == "+":
            return (a + b) % self.p
        if operation == "*":
            return a * b % self.p
        if operation == "-":
            return (a - b) % self.p
        if b == 0:
            raise ZeroDivisionError(f"GF({self.p}): {a} / 0")
        return a * self.inverses[b] % self.p


@cache
def make_field(p: int) -> Field:
    """Return GF(p). The order of its symbols is random but depends only on p.

    Raises ValueError if p is not a prime.
    """
    divisor = next((d for d in range(2, int(max(p, 0) ** 0.5) + 1) if p % d == 0), None)
    if p < 2 or divisor:
        reason = f"{p} = {divisor} * {p // divisor}" if divisor else f"{p} < 2"
        raise ValueError(f"GF(p) needs a prime p, and {reason}")
    symbols = list(range(p))
    Random(f"symbols of GF({p})").shuffle(symbols)
    names = tuple(f"e{symbol}" for symbol in symbols)
    return Field(p, names, (0, *(pow(v, -1, p) for v in range(1, p))))
