import createClient from "openapi-fetch";
import type { paths as Ops } from "../clients/openapi_typescript/ops";
import type { paths as Read } from "../clients/openapi_typescript/read";
import type { paths as Write } from "../clients/openapi_typescript/write";
import { found, handles, NAME, nobody, OPS_URL, person, READ_URL, say, TOKEN, WRITE_URL } from "./said";

const headers = { Authorization: `Bearer ${TOKEN}` };
const write = createClient<Write>({ baseUrl: WRITE_URL, headers });
const read = createClient<Read>({ baseUrl: READ_URL, headers });
const ops = createClient<Ops>({ baseUrl: OPS_URL, headers });

let position = 0;
for (const handle of handles) {
  const { data } = await write.POST("/commands/register-account", {
    params: { header: { "Idempotency-Key": handle } },
    body: person(handle),
  });
  position = found(data).position;
}
const fresh = { header: { "Muster-Min-Position": position } };
const profile = await read.GET("/profiles/by-handle/{handle}", { params: { path: { handle: handles[0] }, ...fresh } });

const paged: (string | undefined)[] = [];
let cursor: string | undefined;
do {
  const query = { tag: [NAME], limit: 2, cursor, fields: ["handle" as const] };
  const { data } = await read.GET("/profiles", { params: { query } });
  paged.push(...found(data).items.map((each) => each.handle));
  cursor = found(data).next_cursor ?? undefined;
} while (cursor);

const missing = await read.GET("/profiles/{id}", { params: { path: { id: nobody } } });
const status = await ops.GET("/status");
say(profile.data?.handle, paged, missing.error?.type, found(status.data).projections.map((each) => each.name));
