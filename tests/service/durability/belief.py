"""What a client can know of a resource when some of its calls were never answered."""

from collections.abc import Callable, Hashable
from enum import Enum
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)


class Answer(Enum):
    """What became of a call, as far as its client can tell."""

    DONE = "done"
    REFUSED = "refused"
    LOST = "lost"


class Belief(Generic[State]):
    """All states in which a resource can be.

    A call is described by what it makes of each state: the states that may follow, and None where it may be refused.
    """

    def __init__(self, name: str, *states: State) -> None:
        self._name = name
        self.states = frozenset(states)

    def hear(self, answer: Answer, call: Callable[[State], set[State | None]]) -> None:
        """Takes note of the answer to a call; without one, the call may have happened or not.

        Raises:
            AssertionError: the answer fits none of the states that were thought possible.
        """
        following = {after for state in self.states for after in call(state) if after is not None}
        if answer is Answer.DONE:
            self._narrow(following, answer)
        elif answer is Answer.REFUSED:
            self._narrow({state for state in self.states if None in call(state)}, answer)
        else:
            self.states |= following

    def see(self, shown: object, fits: Callable[[State], bool]) -> None:
        """Takes note of what the service shows.

        Raises:
            AssertionError: it fits none of the states that were thought possible.
        """
        self._narrow({state for state in self.states if fits(state)}, shown)

    def _narrow(self, states: set[State], cause: object) -> None:
        assert states, f"{self._name}: {cause} is none of {set(self.states)}"
        self.states = frozenset(states)
