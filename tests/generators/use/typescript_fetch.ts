import { Configuration as OpsConfiguration, StatusApi } from "../clients/typescript_fetch/ops";
import { ProfileRecordField, ProfilesApi, Configuration as ReadConfiguration, ResponseError } from "../clients/typescript_fetch/read";
import { AccountsApi, Configuration as WriteConfiguration } from "../clients/typescript_fetch/write";
import { handles, NAME, nobody, OPS_URL, READ_URL, say, TOKEN, WRITE_URL } from "./said";

const accounts = new AccountsApi(new WriteConfiguration({ basePath: WRITE_URL, accessToken: TOKEN }));
const profiles = new ProfilesApi(new ReadConfiguration({ basePath: READ_URL, accessToken: TOKEN }));
const statuses = new StatusApi(new OpsConfiguration({ basePath: OPS_URL, accessToken: TOKEN }));

let position = 0;
for (const handle of handles) {
  const registerAccount = { handle, email: `${handle}@example.org`, displayName: handle, tags: [NAME] };
  const done = await accounts.registerAccount({ registerAccount, idempotencyKey: handle });
  position = done.position;
}
const profile = await profiles.getProfileByHandle({ handle: handles[0], musterMinPosition: position });

const paged: (string | undefined)[] = [];
let cursor: string | undefined;
do {
  const page = await profiles.listProfiles({ tag: [NAME], limit: 2, cursor, fields: [ProfileRecordField.Handle] });
  paged.push(...page.items.map((each) => each.handle));
  cursor = page.nextCursor ?? undefined;
} while (cursor);

const missing = await profiles.getProfile({ id: nobody }).catch((error) => {
  if (!(error instanceof ResponseError)) throw error;
  return error.response.json();
});
const status = await statuses.getStatus();
say(profile.handle, paged, missing.type, status.projections.map((each) => each.name));
