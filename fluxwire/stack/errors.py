"""What can go wrong with the embedded stack, said to the person at the terminal."""


class StackError(Exception):
    """The stack cannot be started, found or stopped.

    Args:
        problem: One plain sentence.
        hint: What to do about it, or an empty string.

    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
