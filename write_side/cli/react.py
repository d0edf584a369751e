"""`muster react`: the process of reactions and deliveries."""

import asyncio

from shared.runtime.exit_with_parent import let_others_go_first
from shared.settings import Settings


def react(*, host: str | None = None, port: int | None = None) -> None:
    """
    Write to people because of what happens, and deliver it, until SIGTERM or SIGINT. Start another one for a standby.

    :param host: the address at which it answers for itself, instead of MUSTER_REACT_HOST.
    :param port: instead of MUSTER_REACT_PORT.
    """
    from shared.auth.setup import require_access  # noqa: PLC0415 - the command line does without cryptography
    from shared.event_log.adapters.postgres import PostgresEventLog  # noqa: PLC0415 - likewise
    from shared.server.serving import serve  # noqa: PLC0415 - likewise
    from write_side.react import mailer_of  # noqa: PLC0415 - likewise
    from write_side.reactions.limits import ReactionLimits  # noqa: PLC0415 - likewise

    settings = Settings.here()
    host, port = host or settings.react_host, port or settings.react_port
    require_access(settings, host=host)
    mailer_of(settings)
    if settings.public_url is None:
        settings.required("write_url")
    asyncio.run(PostgresEventLog.from_settings(settings).require_sound())
    let_others_go_first(settings.limits_of(ReactionLimits).niceness)
    serve("write_side.react:create_app", settings, host=host, port=port, service="muster-react")
