import { resolve } from 'node:path';
import { parseIsoSource } from '../../../../driver/iso/iso-source';
import { redactUrl } from '../../../../driver/iso/redact-url';

it.each([
  ['', { kind: 'default' }],
  ['  ', { kind: 'default' }],
  ['/a/b c.iso', { kind: 'file', path: '/a/b c.iso' }],
  ['b.iso', { kind: 'file', path: resolve('b.iso') }],
  ['file:///a/b%20c.iso', { kind: 'file', path: '/a/b c.iso' }],
  ['file:/a.iso', { kind: 'file', path: '/a.iso' }],
  ['FILE://localhost/a.iso', { kind: 'file', path: '/a.iso' }],
  ['https://example.com/a.iso', { kind: 'http', url: 'https://example.com/a.iso' }],
  ['HTTP://EXAMPLE.com/A.iso', { kind: 'http', url: 'http://example.com/A.iso' }],
  ['https://api.github.com/repos/o/r/releases', { kind: 'github', url: 'https://api.github.com/repos/o/r/releases' }],
  [
    'https://api.github.com/repos/o/r/releases/latest',
    { kind: 'github', url: 'https://api.github.com/repos/o/r/releases/latest' },
  ],
  [
    'https://git.local/api/v3/repos/o/r/releases',
    { kind: 'github', url: 'https://git.local/api/v3/repos/o/r/releases' },
  ],
  ['https://api.github.com/repos/o/r/releasesx', { kind: 'http', url: 'https://api.github.com/repos/o/r/releasesx' }],
  [
    'https://github.com/o/r/releases/download/v1/a.iso',
    { kind: 'http', url: 'https://github.com/o/r/releases/download/v1/a.iso' },
  ],
])('understands %j', (given, expected) => {
  expect(parseIsoSource(given)).toEqual(expected);
});

it.each([
  [
    'ftp://user:pw@host/a.iso',
    'cannot use --hyperkit-boot2docker-url ftp://host/a.iso: ftp is not supported; give an http, https or file URL, or a path',
  ],
  ['http://', 'cannot use --hyperkit-boot2docker-url http://: it is not a valid URL'],
  [
    'file://other-host/a.iso',
    expect.stringContaining('cannot use --hyperkit-boot2docker-url file://other-host/a.iso: '),
  ],
])('refuses %j', (given, message) => {
  expect(() => parseIsoSource(given)).toThrow(expect.objectContaining({ code: 'HK_FLAG_INVALID', message }));
});

it.each([
  ['https://user:pw@host:8443/a.iso?token=x#y', 'https://host:8443/a.iso?…'],
  ['https://host/a.iso', 'https://host/a.iso'],
  ['not a url //user:pw@host/?q', 'not a url //host/?…'],
])('shows %j as %j', (url, expected) => {
  expect(redactUrl(url)).toBe(expected);
});
