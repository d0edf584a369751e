"""Every kind of fault there is."""

from functools import partial

from tests.faults.bench.bench import can_mount
from tests.faults.bench.wall_clock import can_set_clocks
from tests.faults.kinds import processes
from tests.faults.kinds.clocks import jumping_clock, killed_projector_whose_lease_lasts
from tests.faults.kinds.disks import full_disk
from tests.faults.kinds.erasure import races_with_erasure
from tests.faults.kinds.fault import Fault
from tests.faults.kinds.lines import cut_line, lost_commits, lost_notify, lost_publish, slow_line
from tests.faults.kinds.log import failover_of_less, open_transaction, rolled_back_appends
from tests.faults.kinds.mails import lost_mail_server
from tests.faults.kinds.read_model import emptied, may_evict, older_snapshot, torn_multi, wrong_type
from tests.faults.kinds.webhooks import failing_receiver, lost_receiver, silent_receiver
from tests.support.stack import Child


def no_disks() -> str | None:
    return None if can_mount() else "this machine lets nobody mount"


def no_clocks() -> str | None:
    return None if can_set_clocks() else "this machine has no C compiler, or preloads nothing"


FAULTS = (
    Fault("kill write process", partial(processes.killed_process, child=Child.WRITE), lasts=0),
    Fault("kill read process", partial(processes.killed_process, child=Child.READ), lasts=0),
    Fault("kill projector", partial(processes.killed_process, child=Child.PROJECT), lasts=0),
    Fault("kill react", partial(processes.killed_process, child=Child.REACT), lasts=0),
    Fault("kill consumer", processes.killed_consumer, lasts=0),
    Fault("kill Redis", partial(processes.killed_server, name="redis"), lasts=0, redis_loses=True),
    Fault("kill PostgreSQL", partial(processes.killed_server, name="postgres"), lasts=0),
    Fault("kill Redis of the bus", partial(processes.killed_server, name="bus"), lasts=0),
    Fault("freeze write process", partial(processes.frozen_process, child=Child.WRITE)),
    Fault("freeze read process", partial(processes.frozen_process, child=Child.READ)),
    Fault("freeze projector", partial(processes.frozen_process, child=Child.PROJECT)),
    Fault("freeze react", partial(processes.frozen_process, child=Child.REACT)),
    Fault("freeze consumer", processes.frozen_consumer),
    Fault("freeze Redis of the bus", partial(processes.frozen_server, name="bus")),
    Fault("freeze Redis", partial(processes.frozen_server, name="redis")),
    Fault("freeze PostgreSQL", partial(processes.frozen_server, name="postgres")),
    Fault("mail server goes away", lost_mail_server),
    Fault("webhook receiver goes away", lost_receiver),
    Fault("webhook receiver fails", failing_receiver),
    Fault("webhook receiver is silent", silent_receiver),
    Fault("two projectors, one wakes late", processes.two_projectors, lasts=0),
    Fault("slow line to PostgreSQL", partial(slow_line, name="database_line")),
    Fault("slow line to Redis", partial(slow_line, name="redis_line")),
    Fault("cut line to PostgreSQL", partial(cut_line, name="database_line")),
    Fault("cut line to Redis", partial(cut_line, name="redis_line")),
    Fault("lost answer to COMMIT", lost_commits),
    Fault("lost PUBLISH", lost_publish),
    Fault("lost NOTIFY", lost_notify),
    Fault("Redis from an older snapshot", older_snapshot, lasts=0, redis_loses=True),
    Fault("MULTI torn twice", torn_multi, lasts=0, redis_loses=True),
    Fault("FLUSHALL", emptied, lasts=0, redis_loses=True),
    Fault("Redis may evict", may_evict, lasts=0),
    Fault("key of the wrong type", wrong_type, lasts=0),
    Fault("full disk beneath Redis", partial(full_disk, name="redis"), missing=no_disks),
    Fault("full disk beneath PostgreSQL", partial(full_disk, name="postgres"), missing=no_disks),
    Fault("clock of Redis jumps", partial(jumping_clock, whose="redis"), lasts=0, missing=no_clocks),
    Fault("clock of PostgreSQL jumps", partial(jumping_clock, whose="postgres"), lasts=0, missing=no_clocks),
    Fault(
        "clock of our processes jumps",
        partial(jumping_clock, whose="processes"),
        lasts=0,
        of_programs=True,
        missing=no_clocks,
    ),
    Fault("kill projector, Redis set back", killed_projector_whose_lease_lasts, lasts=0, missing=no_clocks),
    Fault("slow transaction", partial(open_transaction, end="commit")),
    Fault("idle transaction", partial(open_transaction, end="termination")),
    Fault("prepared transaction", partial(open_transaction, end="commit prepared")),
    Fault("rolled-back transactions", rolled_back_appends, lasts=0),
    Fault("races with erasure", races_with_erasure, lasts=0),
    Fault("failover that loses a commit", failover_of_less, lasts=0),
)
