"""Zip archives, good and bad."""

import io
import stat
import zipfile


def archive(files: dict[str, str], *, modes: dict[str, int] | None = None) -> bytes:
    """Makes a zip as Windows makes it, without permissions.

    Args:
        files: bodies by name; a name with a slash at its end is a directory.
        modes: type and permission bits as Unix gives them, for some of the names.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3 if modes and name in modes else 0
            entry.external_attr = (modes or {}).get(name, 0) << 16
            opened.writestr(entry, body)
    return buffer.getvalue()


def archive_with_link(name: str, target: str) -> bytes:
    """Makes a zip whose only entry is a symbolic link."""
    return archive({name: target}, modes={name: stat.S_IFLNK | 0o777})
