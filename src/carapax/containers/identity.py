"""By what a home knows its containers."""

from pathlib import Path

ID_FILE = ".containers"
"""The file in the folder of workspaces that holds the identity of the home."""


def has_identity(folder: Path) -> bool:
    """Whether the home that has this folder of workspaces ever had something on an engine."""
    return (folder / ID_FILE).is_file()
