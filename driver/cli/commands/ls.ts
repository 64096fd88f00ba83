import { MachineState } from '../../contract/machine-driver';
import { DriverError } from '../../errors';
import { stateName } from '../../host/machine-state';
import type { MachineStore } from '../../store/machine-store';
import type { StoredMachine } from '../../store/stored-machine';
import { formatColumns } from '../columns';
import { defineCommand } from '../command';
import { parseTemplate } from '../go-template';
import { parseFilters } from '../machine-filter';

const DEFAULT_FORMAT =
  'table {{.Name}}\t{{.Active}}\t{{.DriverName}}\t{{.State}}\t{{.URL}}\t{{.Swarm}}\t{{.DockerVersion}}\t{{.Error}}';

/** One machine as `--format` and `--json` show it; docker-machine's names. */
interface ListItem {
  readonly Name: string;
  readonly Active: string;
  readonly ActiveHost: boolean;
  readonly DriverName: string;
  readonly State: string;
  readonly URL: string;
  readonly Swarm: string;
  readonly DockerVersion: string;
  readonly Error: string;
  readonly ResponseTime: string;
}

const HEADERS: Readonly<Record<keyof ListItem, string>> = {
  Name: 'NAME',
  Active: 'ACTIVE',
  ActiveHost: 'ACTIVE_HOST',
  DriverName: 'DRIVER',
  State: 'STATE',
  URL: 'URL',
  Swarm: 'SWARM',
  DockerVersion: 'DOCKER',
  Error: 'ERRORS',
  ResponseTime: 'RESPONSE',
};

export const ls = defineCommand({
  usage: '[options]',
  describe: 'Lists machines, also those of other drivers.',
  options: {
    filter: {
      type: 'array',
      string: true,
      default: [] as string[],
      describe: 'KEY=VALUE with driver, label, name (a regular expression) or state; repeatable',
    },
    format: {
      alias: 'f',
      type: 'string',
      default: DEFAULT_FORMAT,
      defaultDescription: "docker-machine's table",
      describe: 'Go template of the fields of a machine; "table ..." adds headers',
    },
    timeout: { alias: 't', type: 'number', default: 10, describe: 'seconds to wait for a machine' },
  },
  async run(args, { store, output }) {
    const timeoutMs = args.timeout * 1000;
    if (!(timeoutMs > 0))
      throw new DriverError('HK_USAGE', 'cannot use --timeout: it must be a number of seconds above 0');
    const layout = parseLayout(args.format);
    const matches = parseFilters(args.filter);
    const found = await Promise.all(sorted(store.list()).map((name) => findMachine(store, name)));
    const chosen: (StoredMachine | BrokenMachine)[] = [];
    for (const machine of found) {
      // As docker-machine does, a machine that cannot be read is shown whatever is asked for.
      if ('problem' in machine || (await matches({ ...describe(machine), state: () => stateOf(machine) })))
        chosen.push(machine);
    }
    if (output.style.quiet) {
      for (const { name } of chosen) output.print(name);
      return undefined;
    }
    const items = await Promise.all(
      chosen.map((machine) => withTimeout(machine, () => itemOf(store, machine, timeoutMs), timeoutMs)),
    );
    if (output.style.json) output.json(items);
    else if (items.length > 0 || layout.isTable) output.print(layout.render(items));
    return undefined;
  },
});

/** A machine whose config.json is no use. */
interface BrokenMachine {
  readonly name: string;
  readonly problem: string;
}

async function findMachine(store: MachineStore, name: string): Promise<StoredMachine | BrokenMachine> {
  return await store.load(name).catch((error: Error) => ({ name, problem: error.message }));
}

function describe({ name, driverName, document }: StoredMachine) {
  return { name, driverName, document };
}

/** A machine of another driver is not asked: its plugin is none of ours. */
async function stateOf(machine: StoredMachine): Promise<string> {
  return machine.driver === undefined ? 'Unknown' : stateName(await machine.driver.getState());
}

async function itemOf(
  store: MachineStore,
  machine: StoredMachine | BrokenMachine,
  timeoutMs: number,
): Promise<ListItem> {
  const beganMs = performance.now();
  if ('problem' in machine)
    return item(machine.name, { DriverName: 'not found', State: 'Error', Error: machine.problem });
  const known = { DriverName: machine.driverName, DockerVersion: 'Unknown' };
  if (machine.driver === undefined) return item(machine.name, { ...known, State: 'Unknown' });
  const state = await machine.driver.getState();
  if (state !== MachineState.Running) return item(machine.name, { ...known, State: stateName(state) });
  const url = await machine.driver.getURL();
  const version = await dockerVersion(store, machine, url, timeoutMs);
  const { DOCKER_HOST: active } = process.env;
  return item(machine.name, {
    ...known,
    ...version,
    State: 'Running',
    URL: url,
    ActiveHost: url === active,
    Active: url === active ? '*' : '-',
    ResponseTime: `${Math.round(performance.now() - beganMs)}ms`,
  });
}

/** Loaded for running machines only: TLS takes its time. */
async function dockerVersion(
  store: MachineStore,
  machine: StoredMachine,
  url: string,
  timeoutMs: number,
): Promise<Pick<ListItem, 'DockerVersion'> | Pick<ListItem, 'Error'>> {
  const [{ dockerTarget, readDockerVersion }, { readAuthPaths }] = await Promise.all([
    import('../../docker/docker-client'),
    import('../../host/host-options'),
  ]);
  try {
    const target = dockerTarget(url, readAuthPaths(machine.document, store.path, machine.folder));
    return { DockerVersion: `v${await readDockerVersion(target, timeoutMs)}` };
  } catch (error) {
    return { Error: (error as Error).message.replaceAll('\n', ' ') };
  }
}

async function withTimeout(
  machine: StoredMachine | BrokenMachine,
  work: () => Promise<ListItem>,
  timeoutMs: number,
): Promise<ListItem> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ListItem>((resolve) => {
    const driverName = 'driverName' in machine ? machine.driverName : 'not found';
    timer = setTimeout(() => resolve(item(machine.name, { DriverName: driverName, State: 'Timeout' })), timeoutMs);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function item(name: string, known: Partial<ListItem>): ListItem {
  return {
    Name: name,
    Active: '-',
    ActiveHost: false,
    DriverName: '',
    State: '',
    URL: '',
    Swarm: '',
    DockerVersion: '',
    Error: '',
    ResponseTime: '',
    ...known,
  };
}

/** As docker-machine's natural order: machine-2 before machine-10. */
function sorted(names: readonly string[]): readonly string[] {
  // A collator takes some milliseconds to make.
  if (names.length < 2) return names;
  const { compare } = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
  return [...names].sort(compare);
}

function parseLayout(format: string): { readonly isTable: boolean; render(items: readonly ListItem[]): string } {
  const isTable = format.startsWith('table');
  const source = (isTable ? format.slice('table'.length) : format)
    .trim()
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n');
  const template = parseTemplate(source, { strict: true });
  // Also where there are no machines, a field that no machine has is told.
  template.render(HEADERS);
  return {
    isTable,
    render: (items) => {
      const lines = [...(isTable ? [HEADERS] : []), ...items].map((record) => template.render(record));
      return isTable ? formatColumns(lines.map((line) => line.split('\t'))) : lines.join('\n');
    },
  };
}
