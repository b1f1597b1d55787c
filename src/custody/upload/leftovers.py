"""Files that a desktop, an editor or a hidden folder leaves among data, which nobody means to upload."""

from __future__ import annotations

_NAMES = {
    "$recycle.bin",
    "__macosx",
    "desktop.ini",
    "ehthumbs.db",
    "icon\r",
    "system volume information",
    "thumbs.db",
}


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or one that a program leaves behind.

    Hidden as on Unix, by a leading dot: ``.DS_Store``, ``._data.csv``, ``.git``. Left behind by a desktop, or
    by an editor of a file: ``Thumbs.db``, ``~$data.xlsx``, ``data.csv~``, ``#data.csv#``, ``data.swp``.
    """
    name = name.casefold()
    return (
        name.startswith((".", "~$"))
        or name.endswith(("~", ".swo", ".swp"))
        or (name.startswith("#") and name.endswith("#"))
        or name in _NAMES
    )
