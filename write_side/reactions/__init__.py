"""What is done in the world outside because of events: one file a reaction."""
