"""What each script is told is in the environment; what it says in the end is one line of JSON."""

import json
import os

from opc_ops import AuthenticatedClient as OpsClient
from opc_ops.api.status import get_status
from opc_read import AuthenticatedClient as ReadClient
from opc_read.api.profiles import get_profile, get_profile_by_handle, list_profiles
from opc_read.models import ProfileRecordField
from opc_read.types import UNSET
from opc_write import AuthenticatedClient as WriteClient
from opc_write.api.accounts import register_account
from opc_write.models import RegisterAccount

token, name = os.environ["TOKEN"], os.environ["NAME"]
write = WriteClient(os.environ["WRITE_URL"], token=token)
read = ReadClient(os.environ["READ_URL"], token=token)
handles = [f"{name}-{nth}" for nth in (1, 2, 3)]

for handle in handles:
    body = RegisterAccount(email=f"{handle}@example.org", handle=handle, display_name=handle, tags=[name])
    outcome = register_account.sync(client=write, body=body, idempotency_key=handle)
profile = get_profile_by_handle.sync(handles[0], client=read, muster_min_position=outcome.position)

paged, cursor = [], UNSET
while cursor is not None:
    fields = [ProfileRecordField.HANDLE, ProfileRecordField.TITLE]
    page = list_profiles.sync(client=read, tag=[name], limit=2, cursor=cursor, fields=fields)
    paged += [each.handle for each in page.items]
    cursor = page.next_cursor

missing = get_profile.sync("00000000-0000-7000-8000-000000000000", client=read)
status = get_status.sync(client=OpsClient(os.environ["OPS_URL"], token=token))
projections = [each.name for each in status.projections]
print(json.dumps({"read": profile.handle, "paged": paged, "missing": missing.type_, "projections": projections}))
