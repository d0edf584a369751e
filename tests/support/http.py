"""An application as its clients see it, in this process and on this event loop."""

from shared.http.in_process import in_process as client_of

__all__ = ["client_of"]
