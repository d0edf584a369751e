"""Posts many commands to the write API, as any other client would: over HTTP, knowing nothing of what is behind it."""
