"""SQLite state of one cluster: the log, the pinset's rows, and how far each pin got."""

from pincrew.store.database import Database
from pincrew.store.history import History
from pincrew.store.rows import Rows
from pincrew.store.window import SessionRow, WindowChanges

__all__ = ["Database", "History", "Rows", "SessionRow", "WindowChanges"]
