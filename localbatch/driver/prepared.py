"""A command whose node has all that it needs, and the orders to run it."""

from dataclasses import dataclass

from localbatch.driver.command import split_command
from localbatch.driver.environment import CommandEnvironment
from localbatch.driver.failures import CommandFailed, command_line_failure, launch_failure
from localbatch.driver.interface import NodePlace
from localbatch.driver.isolation import Place
from localbatch.driver.layout import TaskDirectory, hosts_file
from localbatch.driver.starter import LaunchError, Session
from localbatch.driver.supervisor import Order, Report


@dataclass(frozen=True)
class PreparedCommand:
    """A directory and an environment on a node."""

    node: NodePlace
    directory: TaskDirectory
    environment: CommandEnvironment

    def place(self, *, isolate: bool, grace: float, listen: str = "") -> Place:
        """Describes the node to a supervisor.

        Args:
            isolate: let commands see the node's own name, address and path, where the kernel allows it.
            grace: seconds a command has between SIGTERM and SIGKILL.
            listen: socket for commands from other nodes.
        """
        return node_place(self.node, isolate=isolate, grace=grace, listen=listen)

    def order(self, command_line: str, *, last: bool = True) -> Order:
        """Makes the order to run a command.

        Args:
            command_line: as the client gave it.
            last: whether the session ends with it.

        Raises:
            CommandFailed: the command line cannot be split.
        """
        mount = self.node.mount
        try:
            words = split_command(command_line)
        except ValueError as error:
            raise CommandFailed(command_line_failure(str(error))) from error
        return {
            "words": words,
            "environment": self.environment.variables,
            "mounted": self.environment.mounted(self.directory.root, mount) if mount else {},
            "directory": str(self.directory.working),
            "stdout": str(self.directory.stdout),
            "stderr": str(self.directory.stderr),
            "last": last,
            "cleanup": [],
        }


def node_place(node: NodePlace, *, isolate: bool, grace: float, listen: str = "") -> Place:
    """Describes a node to a supervisor; see ``PreparedCommand.place``."""
    return {
        "hostname": node.hostname,
        "hosts": str(hosts_file(node)) if isolate else "",
        "root": str(node.root.absolute()),
        "mount": str(node.mount or ""),
        "grace": grace,
        "listen": listen,
    }


async def start(session: Session, order: Order) -> Report:
    """Starts a command.

    Raises:
        CommandFailed: it could not be started.
    """
    try:
        return await session.start(order)
    except LaunchError as error:
        raise CommandFailed(launch_failure(error.number, str(error))) from error
