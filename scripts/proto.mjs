#!/usr/bin/env node
// Lints proto/ and writes proto/generated anew. The compiler is fetched when this is run, and not installed for
// everybody: it is 70 MB that only whoever changes a .proto file needs. A unit test fails when the two differ.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const proto = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'proto');
const packages = ['@bufbuild/buf@1.75.0', '@bufbuild/protoc-gen-es@2.17.0'];

for (const command of ['buf lint', 'buf generate']) {
  const options = packages.flatMap((name) => ['--package', name]);
  execFileSync('npx', ['--yes', ...options, '--call', command], { cwd: proto, stdio: 'inherit' });
}

const sources = readdirSync(proto, { recursive: true })
  .filter((name) => name.endsWith('.proto'))
  .sort();
const hash = createHash('sha256');
for (const name of sources) hash.update(`${name}\n`).update(readFileSync(path.join(proto, name)));
writeFileSync(path.join(proto, 'generated/sources.sha256'), `${hash.digest('hex')}\n`);
