/** One-time login links: `/#/login/TOKEN`. The token stands behind `#`, so that no server logs it. */

let token: string | null = null;

/** Takes the token out of the address, before anything else reads it. */
export function readLink(): void {
  const found = /^#\/login\/([\w-]+)$/.exec(location.hash);
  if (!found) return;
  token = found[1] ?? null;
  history.replaceState(null, "", "/login");
}

/** The token of the link that opened this page. */
export const takeLinkToken = (): string | null => token;

export const linkOf = (made: string): string => `${location.origin}/#/login/${made}`;
