"""The terminal view: a client of the daemon that draws what it is told, on a screen that never freezes."""
