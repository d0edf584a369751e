import { client as opsClient } from "../clients/hey_api/ops/client.gen";
import { getStatus } from "../clients/hey_api/ops/sdk.gen";
import { client as readClient } from "../clients/hey_api/read/client.gen";
import { getProfile, getProfileByHandle, listProfiles } from "../clients/hey_api/read/sdk.gen";
import { client as writeClient } from "../clients/hey_api/write/client.gen";
import { registerAccount } from "../clients/hey_api/write/sdk.gen";
import { found, handles, NAME, nobody, OPS_URL, person, READ_URL, say, TOKEN, WRITE_URL } from "./said";

writeClient.setConfig({ baseUrl: WRITE_URL, auth: () => TOKEN });
readClient.setConfig({ baseUrl: READ_URL, auth: () => TOKEN });
opsClient.setConfig({ baseUrl: OPS_URL, auth: () => TOKEN });

let position = 0;
for (const handle of handles) {
  const { data } = await registerAccount({ body: person(handle), headers: { "Idempotency-Key": handle } });
  position = found(data).position;
}
const headers = { "Muster-Min-Position": position };
const profile = await getProfileByHandle({ path: { handle: handles[0] }, headers });

const paged: (string | undefined)[] = [];
let cursor: string | undefined;
do {
  const { data } = await listProfiles({ query: { tag: [NAME], limit: 2, cursor, fields: ["handle"] } });
  paged.push(...found(data).items.map((each) => each.handle));
  cursor = found(data).next_cursor ?? undefined;
} while (cursor);

const missing = await getProfile({ path: { id: nobody } });
const status = await getStatus();
say(profile.data?.handle, paged, missing.error?.type, found(status.data).projections.map((each) => each.name));
