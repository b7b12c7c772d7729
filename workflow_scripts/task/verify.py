"""A lenient verifier: strict about the answer, lenient about the words and marks around it.

The study's own reward (task.reward) and its labels do not use this module. evaluate.lenient
measures how many rewards it would change.
"""

import re

from workflow_scripts.task.problems import Problem

# Markdown and LaTeX that may stand around words: **Answer:** e4, `e4`, $\boxed{e4}$. A quantifier
# with a second + never gives back what it took, so that long runs of spaces take linear time.
_BEFORE = r"(?:\\boxed\{|\\text\{|\\\(|[\s*_`\"'$({\[])*+"
_AFTER = r"[\s*_`\"'$)}\]]*+"
_MARK = rf"(?<![a-z0-9])(?:answer|ans)\b{_AFTER}(?:is\b|[:=])?{_AFTER}:?"
_VARIABLE = r"(?:x[0-9]+\s*=)?"  # Answer: x3 = e4
_SYMBOL = r"e[0-9]+(?![a-z0-9]|\.[0-9])"
_ALSO = rf"(?:{_AFTER}(?:,|/|or\b|and\b)?{_BEFORE}{_SYMBOL})*+"  # ans e4 e5, Answer: e4 or e5
# A calculation is no answer: Answer: e4 + e5 = e9 does not say which of its symbols is meant.
_NO_CALCULATION = r"(?![ \t]*[-+*/=][ \t]*[ex][0-9])"
_STATEMENT = re.compile(
    rf"(?:{_MARK}|\\boxed\{{){_BEFORE}{_VARIABLE}{_BEFORE}({_SYMBOL}{_ALSO}){_NO_CALCULATION}",
    re.IGNORECASE,
)


def stated_answer(response: str) -> str | None:
    r"""The symbol that a response states as its answer, such as "e4"; None if there is none.

    A statement is "ans", "answer" or "the answer is" in upper or lower case, with or without a
    colon, then the symbol; or the symbol in ``\boxed{}``. Emphasis, quotes, brackets, a variable
    (``x3 = e4``) and words after the symbol are allowed. A response may repeat its answer. A
    response that states two different answers (``e4 or e5``) has none, and a calculation after the
    mark (``e4 + e5 = e9``) is no statement.
    """
    statements = _STATEMENT.findall(response)
    symbols = {symbol for each in statements for symbol in re.findall("e[0-9]+", each.lower())}
    return symbols.pop() if len(symbols) == 1 else None


def lenient_reward(problem: Problem, response: str, complete: bool) -> float:
    """1.0 if a response is complete and states the correct answer (see stated_answer), else 0.0.

    A response is complete if the model ended it, rather than being cut off at a limit. Takes the
    same arguments as task.reward.outcome_reward.
    """
    right = problem.field.names[problem.answer]
    return float(complete and stated_answer(response) == right)
