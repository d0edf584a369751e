"""What each script is told is in the environment; what it says in the end is one line of JSON."""

import json
import os

import muster_ops
import muster_read
import muster_write
from muster_read.exceptions import NotFoundException
from muster_read.models import ProfileRecordField

token, name = os.environ["TOKEN"], os.environ["NAME"]
write = muster_write.ApiClient(muster_write.Configuration(host=os.environ["WRITE_URL"], access_token=token))
read = muster_read.ApiClient(muster_read.Configuration(host=os.environ["READ_URL"], access_token=token))
ops = muster_ops.ApiClient(muster_ops.Configuration(host=os.environ["OPS_URL"], access_token=token))
accounts, profiles = muster_write.AccountsApi(write), muster_read.ProfilesApi(read)
handles = [f"{name}-{nth}" for nth in (1, 2, 3)]

for handle in handles:
    body = muster_write.RegisterAccount(email=f"{handle}@example.org", handle=handle, display_name=handle, tags=[name])
    outcome = accounts.register_account(body, idempotency_key=handle)
profile = profiles.get_profile_by_handle(handles[0], muster_min_position=outcome.position)

paged, cursor = [], None
while True:
    fields = [ProfileRecordField.HANDLE, ProfileRecordField.TITLE]
    page = profiles.list_profiles(tag=[name], limit=2, cursor=cursor, fields=fields)
    paged += [each.handle for each in page.items]
    if (cursor := page.next_cursor) is None:
        break

try:
    missing = profiles.get_profile("00000000-0000-7000-8000-000000000000")
except NotFoundException as error:
    missing = error.data
projections = [each.name for each in muster_ops.StatusApi(ops).get_status().projections]
print(json.dumps({"read": profile.handle, "paged": paged, "missing": missing.type, "projections": projections}))
