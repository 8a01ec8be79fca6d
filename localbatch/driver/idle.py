"""Supervisors that have ended a session and wait for the next one on their node, for making one takes milliseconds."""

import asyncio
from dataclasses import dataclass

from localbatch.driver.isolation import Place

_MOST = 64


@dataclass(frozen=True, eq=False)
class Channel:
    """The way to a supervisor.

    Attributes:
        place: the node that its commands see.
    """

    place: Place
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class IdleSupervisors:
    """Keeps supervisors, at most 64 of them: those that were used last."""

    def __init__(self) -> None:
        self._channels: list[Channel] = []

    def take(self, place: Place) -> Channel | None:
        """Returns one that is on this node, None if there is none."""
        for channel in reversed(self._channels):
            if channel.place == place:
                self._channels.remove(channel)
                if not channel.reader.at_eof():
                    return channel
                channel.writer.close()  # it was killed meanwhile
        return None

    def keep(self, channel: Channel) -> None:
        """Keeps one that has ended its session."""
        self._channels.append(channel)
        if len(self._channels) > _MOST:
            self._channels.pop(0).writer.close()

    def dismiss(self, root: str) -> None:
        """Ends those on the node whose directory tree lies there: they hold on to what it was."""
        for channel in [each for each in self._channels if each.place["root"] == root]:
            self._channels.remove(channel)
            channel.writer.close()

    def close(self) -> None:
        """Ends all of them."""
        for channel in self._channels:
            channel.writer.close()
        self._channels.clear()
