"""GF(p) and its symbols."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.task.field import INVERSE_OPERATION, make_field

SMALL_PRIMES = [2, 3, 5, 7, 11, 13]
PRIMES = [*SMALL_PRIMES, 17, 19, 23, 29, 31, 97, 101]
properties = settings(deadline=None, derandomize=True, max_examples=200)


@pytest.mark.parametrize("p", PRIMES)
def test_operations_are_arithmetic_modulo_p(p):
    field = make_field(p)
    for a in range(p):
        for b in range(p):
            assert field.apply("+", a, b) == (a + b) % p
            assert field.apply("-", a, b) == (a - b) % p
            assert field.apply("*", a, b) == (a * b) % p
            if b:
                quotient = field.apply("/", a, b)
                assert quotient in range(p)
                assert quotient * b % p == a


@pytest.mark.parametrize("p", SMALL_PRIMES)
def test_field_laws_hold_for_all_elements(p):
    field = make_field(p)
    elements = range(p)
    plus = [[field.apply("+", a, b) for b in elements] for a in elements]
    times = [[field.apply("*", a, b) for b in elements] for a in elements]
    for a in elements:
        assert plus[a][0] == times[a][1] == a
        assert sorted(plus[a]) == list(elements), "every element has one opposite"
        assert a == 0 or sorted(times[a]) == list(elements), "every element but 0 has one inverse"
        for b in elements:
            assert plus[a][b] == plus[b][a]
            assert times[a][b] == times[b][a]
            for c in elements:
                assert plus[plus[a][b]][c] == plus[a][plus[b][c]]
                assert times[times[a][b]][c] == times[a][times[b][c]]
                assert times[a][plus[b][c]] == plus[times[a][b]][times[a][c]]


@properties
@given(data=st.data(), p=st.sampled_from(PRIMES), operation=st.sampled_from("+*-/"))
def test_inverse_operation_undoes_an_operation(data, p, operation):
    field = make_field(p)
    a = data.draw(st.integers(0, p - 1))
    b = data.draw(st.integers(1 if operation in "*/" else 0, p - 1))
    assert field.apply(INVERSE_OPERATION[operation], field.apply(operation, a, b), b) == a


def test_division_by_zero_is_refused_by_name():
    with pytest.raises(ZeroDivisionError, match=r"GF\(11\): 4 / 0"):
        make_field(11).apply("/", 4, 0)


@pytest.mark.parametrize(
    ("p", "reason"),
    [
        (-7, "-7 < 2"),
        (-1, "-1 < 2"),
        (0, "0 < 2"),
        (1, "1 < 2"),
        (4, "4 = 2 * 2"),
        (9, "9 = 3 * 3"),
        (15, "15 = 3 * 5"),
        (49, "49 = 7 * 7"),
        (91, "91 = 7 * 13"),
        (121, "121 = 11 * 11"),
    ],
)
def test_p_that_is_not_prime_is_refused_by_name(p, reason):
    with pytest.raises(ValueError, match="prime") as refusal:
        make_field(p)
    assert reason in str(refusal.value)


def test_exactly_the_primes_are_accepted():
    def accepted(p):
        try:
            return make_field(p).p == p
        except ValueError:
            return False

    primes = [p for p in range(2, 400) if all(p % d for d in range(2, p))]
    assert [p for p in range(-20, 400) if accepted(p)] == primes


@pytest.mark.parametrize("p", PRIMES)
def test_symbols_are_a_permutation_of_e0_to_e_p_minus_1(p):
    names = make_field(p).names
    assert sorted(names) == sorted(f"e{i}" for i in range(p))
    if p > 3:
        assert any(names[v] != f"e{v}" for v in range(p)), "a symbol must not give its value away"


def test_symbols_of_a_field_are_fixed_for_ever():
    """Shipped base models and recorded results stand on these."""
    names = {p: " ".join(make_field(p).names) for p in (2, 11, 13)}
    assert names == {
        2: "e1 e0",
        11: "e2 e7 e5 e4 e3 e0 e10 e1 e6 e8 e9",
        13: "e1 e3 e7 e9 e11 e4 e8 e5 e0 e2 e12 e10 e6",
    }


def test_task_stands_on_the_standard_library_alone():
    """Every module of the package, in a fresh interpreter."""
    program = (
        "import importlib, pkgutil, sys\n"
        "before = set(sys.modules)\n"  # what the environment's .pth files import on their own
        "import workflow_scripts.task as task\n"
        "names = [m.name for m in pkgutil.iter_modules(task.__path__)]\n"
        "for name in names: importlib.import_module(f'workflow_scripts.task.{name}')\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(len(names), sorted(tops - set(sys.stdlib_module_names) - {'workflow_scripts'}))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    count, foreign = run.stdout.split(maxsplit=1)
    assert foreign.strip() == "[]", run.stderr
    assert int(count) >= 6
