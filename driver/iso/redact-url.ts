/** A URL fit for logs and errors: no user, no password, and no query, where signed URLs keep their secret. */
export function redactUrl(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.protocol}//${parsed.host}${parsed.pathname}${parsed.search === '' ? '' : '?…'}`;
  } catch {
    return url.replace(/\/\/[^/@]*@/, '//').replace(/\?.*$/s, '?…');
  }
}
