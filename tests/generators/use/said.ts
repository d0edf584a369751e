// What each script is told, and what it says in the end.
export const { WRITE_URL, READ_URL, OPS_URL, TOKEN, NAME } = process.env as Record<string, string>;
export const handles = [1, 2, 3].map((nth) => `${NAME}-${nth}`);
export const nobody = "00000000-0000-7000-8000-000000000000";

export const person = (handle: string) => ({
  handle,
  email: `${handle}@example.org`,
  display_name: handle,
  tags: [NAME],
});

export function say(read: string | undefined, paged: (string | undefined)[], missing: string | undefined, projections: string[]) {
  console.log(JSON.stringify({ read, paged, missing, projections }));
}

export function found<T>(value: T | null | undefined): T {
  if (value == null) throw new Error("nothing was answered");
  return value;
}
