"""SQLite state of one cluster: the log, the pinset's rows, and how far each pin got.

Import the modules themselves: `history` brings pycrdt along, and the command line reads stores where that is missing.
"""
