import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { issueCertificate } from '../../../../driver/certs/issue-certificate';
import { exportRsaKey, newRsaKey } from '../../../../driver/certs/rsa-key';
import { countTasks, listNodes, removeNode, type SwarmNode, updateNode } from '../../../../driver/swarm/swarm-node';

// What a healthy Docker doesn't say, over TLS as a machine's Docker speaks.
jest.setTimeout(120_000);
interface Call {
  readonly method: string;
  readonly url: string;
  readonly body: unknown;
}
const NODE = {
  ID: 'n1',
  Version: { Index: 7 },
  Spec: { Role: 'worker', Availability: 'active', Labels: { kept: 'yes' }, Name: 'also kept' },
  Description: { Hostname: 'prod-worker-1' },
  Status: { State: 'ready' },
};
let node: SwarmNode;
let server: Server;
let calls: Call[] = [];
let answer: (call: Call) => readonly [status: number, body: unknown];

beforeAll(async () => {
  const [caKey, serverKey, clientKey] = await Promise.all([newRsaKey(), newRsaKey(), newRsaKey()]);
  const caPem = issueCertificate(caKey, 'ca', { kind: 'authority' });
  const issuer = { certificatePem: caPem, key: caKey };
  const cert = issueCertificate(serverKey, 'dev', { kind: 'server', names: ['127.0.0.1'] }, issuer);
  const tls = { cert, key: exportRsaKey(serverKey), ca: caPem, requestCert: true, rejectUnauthorized: true };
  server = createServer(tls, (request, response) => {
    void request.toArray().then((chunks: Buffer[]) => {
      const text = Buffer.concat(chunks).toString('utf8');
      const call = { method: request.method ?? '', url: request.url ?? '', body: text === '' ? '' : JSON.parse(text) };
      calls.push(call);
      const [status, body] = answer(call);
      response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const target = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    caPem,
    certificatePem: issueCertificate(clientKey, 'client', { kind: 'client' }, issuer),
    keyPem: exportRsaKey(clientKey),
  };
  node = { machine: 'prod-manager-1', target, signal: new AbortController().signal };
});
beforeEach(() => {
  calls = [];
});
afterAll(() => server.close());

test('a change keeps what it does not change, and is tried again when somebody else was quicker', async () => {
  let isLate = true;
  answer = ({ method }) => {
    if (method === 'GET') return [200, isLate ? NODE : { ...NODE, Version: { Index: 8 } }];
    const wasLate = isLate;
    isLate = false;
    return wasLate ? [500, { message: 'rpc error: code = Unknown desc = update out of sequence' }] : [200, ''];
  };
  await updateNode(node, 'n1', () => ({ Availability: 'drain' }));
  expect(calls.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'GET /nodes/n1',
    'POST /nodes/n1/update?version=7',
    'GET /nodes/n1',
    'POST /nodes/n1/update?version=8',
  ]);
  expect(calls[3]?.body).toEqual({ ...NODE.Spec, Availability: 'drain' });
});

test('somebody who is always quicker is told once', async () => {
  answer = ({ method }) => (method === 'GET' ? [200, NODE] : [500, { message: 'update out of sequence' }]);
  await expect(updateNode(node, 'n1', () => ({}))).rejects.toMatchObject({
    code: 'HK_SWARM_FAILED',
    message: 'cannot change a node by "prod-manager-1": Docker says: update out of sequence',
  });
  expect(calls).toHaveLength(4);
});

test('what Docker refuses is told in its own words, or by its status', async () => {
  answer = () => [503, { message: 'This node is not a swarm manager.' }];
  await expect(listNodes(node)).rejects.toThrow('cannot list the nodes of "prod-manager-1": Docker says: This node is');
  answer = () => [502, '<html>'];
  await expect(removeNode(node, 'n1')).rejects.toThrow('Docker says: status 502');
});

test.each(['', 'null', '{}', '[{}]', '[{"ID":1}]', 'x'])('an answer that is no list of nodes: %j', async (body) => {
  answer = () => [200, body];
  await expect(listNodes(node)).rejects.toMatchObject({
    code: 'HK_SWARM_FAILED',
    message: expect.stringContaining('something that cannot be understood'),
  });
});

test('ids of a guest lead to no other path, and only running tasks count', async () => {
  answer = () => [200, [{ Status: { State: 'running' } }, { Status: { State: 'shutdown' } }]];
  expect(await countTasks(node, 'n1')).toBe(1);
  expect(new URL(calls[0]?.url ?? '', 'http://docker').searchParams.get('filters')).toBe('{"node":["n1"]}');
  await removeNode(node, '../swarm?x');
  expect(calls[1]).toMatchObject({ method: 'DELETE', url: '/nodes/..%2Fswarm%3Fx?force=true' });
});
