"""Questions before something is changed: what it comes to in pins and bytes, and the command that equals it."""
