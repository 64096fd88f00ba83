import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import path from 'node:path';
import { BUSYBOX, listeningOn, missingForMachines, Store } from '../support/machines';
import { describeWith, PROJECT } from '../support/peers';
import { until } from '../support/until';

const MANAGER = 'prod-manager-1';
const WORKER = 'prod-worker-1';
const BIG_BYTES = 5 * 1024 * 1024;
/** Each task says who it is, and has something longer than any packet. */
const TASK = `hostname >/who; dd if=/dev/zero of=/big bs=${BIG_BYTES} count=1 2>/dev/null; exec httpd -f -p 80 -h /`;
const SLOW_MS = 180_000;

const noImage = existsSync(BUSYBOX) ? undefined : `no image at ${BUSYBOX} (image/busybox-image makes it)`;

// A swarm of two real machines: its network, its services, its nodes' restarts, its end.
describeWith('a swarm', [...missingForMachines(), noImage], () => {
  jest.setTimeout(600_000);
  const store = new Store(path.join(PROJECT, 'dist/bin/hyperkit'));
  const hyperkit = (...words: readonly string[]): Promise<string> => store.succeed(words, { deadlineMs: 500_000 });
  const onManager = (command: string): Promise<string> => hyperkit('ssh', MANAGER, command);
  const swarms = async (): Promise<unknown> => JSON.parse(await hyperkit('swarm', 'ls', '--json'));
  const addressInSwarm = async (machine: string): Promise<string> =>
    /inet (192\.168\.65\.\d+)/.exec(await hyperkit('ssh', machine, 'ip -4 addr show eth0'))?.[1] ?? 'none';
  /** Bodies that `count` requests get on a machine's own address of this host. */
  const fetchAll = async (machine: string, file: string, count: number): Promise<readonly Buffer[]> => {
    const bodies: Buffer[] = [];
    while (bodies.length < count) bodies.push(await fetchOnce(`http://${store.address(machine)}:8080/${file}`));
    return bodies;
  };
  /** Who answers there, as soon as both tasks do. */
  const bothAnswer = (machine: string): Promise<readonly string[]> =>
    until(
      `both tasks answer at ${machine}`,
      async () => {
        const names = await fetchAll(machine, 'who', 6).catch(() => []);
        const tasks = [...new Set(names.map(String))].sort();
        return tasks.length === 2 && tasks;
      },
      SLOW_MS,
    );

  afterAll(async () => {
    await store.machine(['swarm', 'rm', '-f', 'prod']).catch(() => undefined);
    await store.dispose();
  });

  test('is made by one command, and every node is ready', async () => {
    const sizes = ['--managers', '1', '--workers', '1', '--label', 'tier=test'];
    const made: unknown = JSON.parse(await hyperkit('swarm', 'create', '--json', ...sizes, 'prod'));
    expect(made).toMatchObject({ name: 'prod', machines: [{ name: MANAGER }, { name: WORKER }] });
    const nodes = await onManager(
      "docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}'",
    );
    expect(
      nodes
        .split('\n')
        .map((line) => line.trim())
        .sort(),
    ).toEqual([`${MANAGER} Ready Active Leader`, `${WORKER} Ready Active`]);
    expect(await onManager(`docker node inspect ${WORKER} --format '{{json .Spec.Labels}}'`)).toBe('{"tier":"test"}');
    expect(await swarms()).toEqual([{ name: 'prod', managers: [MANAGER], workers: [WORKER], state: 'Ready' }]);
  });

  test("has services whose published port leads to every task, at each machine's own address", async () => {
    for (const machine of [MANAGER, WORKER]) {
      await hyperkit('scp', BUSYBOX, `${machine}:/tmp/busybox.tar`);
      await hyperkit('ssh', machine, 'docker load -i /tmp/busybox.tar');
    }
    await onManager(
      'docker service create --quiet --no-resolve-image --detach --name web --replicas 2 --replicas-max-per-node 1 ' +
        `--stop-grace-period 1s --publish 8080:80 busybox:latest sh -c '${TASK}'`,
    );
    const [atManager, atWorker] = [await bothAnswer(MANAGER), await bothAnswer(WORKER)];
    expect(atWorker).toEqual(atManager);
    // From both tasks, so one of each pair comes through the overlay network.
    for (const machine of [MANAGER, WORKER]) {
      for (const body of await fetchAll(machine, 'big', 2)) expect(body.length).toBe(BIG_BYTES);
    }
  });

  test('outlives its network process, and a node that was off comes back by itself', async () => {
    const before = await addressInSwarm(WORKER);
    const network = store.processes().find((line) => line.includes('hyperkit: network prod'));
    process.kill(Number.parseInt(network ?? '', 10), 'SIGKILL');
    await until('the network is missed', async () => (await hyperkit('swarm', 'ls')).includes('Network down'));
    expect(await onManager('echo still here')).toBe('still here');
    await hyperkit('stop', WORKER);
    await hyperkit('start', WORKER);
    expect(await addressInSwarm(WORKER)).toBe(before);
    await until('both nodes are ready', async () => /\bReady$/.test(await hyperkit('swarm', 'ls')), SLOW_MS, swarms);
    await bothAnswer(WORKER);
    await bothAnswer(MANAGER);
  });

  test('a machine that is removed leaves it in order, and its task begins anew elsewhere', async () => {
    await onManager('docker service update --quiet --detach --replicas-max-per-node 0 web');
    await hyperkit('rm', '-y', WORKER);
    expect(await onManager("docker node ls --format '{{.Hostname}}'")).toBe(MANAGER);
    await bothAnswer(MANAGER);
    expect(listeningOn(store.address(WORKER))).toEqual([]);
    expect(await swarms()).toEqual([{ name: 'prod', managers: [MANAGER], workers: [], state: 'Ready' }]);
  });

  test('removed, it leaves nothing', async () => {
    await hyperkit('swarm', 'rm', '-y', 'prod');
    expect(store.machines()).toEqual([]);
    expect(readdirSync(path.join(store.path, 'swarms'))).toEqual([]);
    expect(listeningOn(store.address(MANAGER))).toEqual([]);
    await store.becomesQuiet();
    expect(readFileSync('/proc/net/unix', 'latin1')).not.toContain(store.path);
    expect(await swarms()).toEqual([]);
  });
});

function fetchOnce(url: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: 30_000 }, (response) => {
      response.toArray().then((chunks: Buffer[]) => resolve(Buffer.concat(chunks)), reject);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer from ${url}`)));
    request.on('error', reject);
  });
}
