/** Addresses of pages that are named by more than one identifier. */

/** Page of a record; with a version it shows that one for ever, else the newest. */
export function recordPath(
  namespace: string,
  key: string,
  version?: string | number | null,
): string {
  const path = `/records/${namespace}/${encodeURIComponent(key)}`;
  return version ? `${path}?version=${version}` : path;
}
