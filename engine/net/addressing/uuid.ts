const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The 36 characters of a UUID in lower case, because case makes no difference; undefined for anything else. */
export function parseUuid(text: string): string | undefined {
  const lower = text.toLowerCase();
  return UUID.test(lower) ? lower : undefined;
}

/** VPNKit's way to ask for an interface without having a UUID: 36 NULs in its place. */
export function isBlankUuid(text: string): boolean {
  return /^\0*$/.test(text);
}
