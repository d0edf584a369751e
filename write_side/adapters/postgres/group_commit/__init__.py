"""
Group commit: commands that arrive while a transaction is under way share the next one.

Each command runs its own use case, on its own copies of what it loads; what their repositories ask for goes to the
server in one batch once all of a group wait, and so does what they store. Nothing in it waits for another transaction
but the writes, and those not for long: a command that would wait leaves for a transaction of its own.
"""
