"""Commands that take a node out of service, for a while or until it is started: pure."""

from dataclasses import dataclass

from localbatch.bodies.nodes import NodeDeallocation, NodeReboot, NodeReimage
from localbatch.bodies.reading import read
from localbatch.rules.checks import check_choice
from localbatch.rules.pools import DEALLOCATION
from localbatch.wire.formats import JsonObject

Stopping = type[NodeReboot] | type[NodeReimage] | type[NodeDeallocation]


@dataclass(frozen=True)
class NodeStop:
    """A command that takes a node out of service.

    Attributes:
        name: as the operation and the table of refusals name it.
        state: of the node while it is carried out.
        body: what its requests hold.
    """

    name: str
    state: str
    body: Stopping

    def read(self, document: JsonObject) -> str:
        """Checks a request and returns what becomes of the node's tasks.

        Raises:
            ServiceError: the body is refused.
        """
        option = read(self.body, document).option
        check_choice(str(self.body.model_fields["option"].alias), option, DEALLOCATION)
        return option.lower()


STOPS = (
    NodeStop("reboot", "rebooting", NodeReboot),  # the disk is kept
    NodeStop("reimage", "reimaging", NodeReimage),  # it is emptied
    NodeStop("deallocate", "deallocating", NodeDeallocation),  # the files are lost, and the node stays in its pool
)
