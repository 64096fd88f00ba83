import { VPNKIT_OPTIONS } from '../../engine/net/program/command-line';
import { HYPERKIT_OPTIONS, HYPERKIT_SYNOPSIS } from '../../engine/spec/hyperkit-command-line/usage';
import type { CommandEntry } from '../cli/command';
import { COMMON_OPTIONS } from '../cli/command-line';
import { EXIT } from '../cli/exit-status';
import { HYPERKIT_FLAGS } from '../contract/hyperkit-flags';
import { SERVE_OPTIONS } from '../grpc/serve-options';
import type { ManPage } from './man-page';
import { describeOptions } from './option-list';
import { pageNameOf } from './verb-page';

const STATUSES: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done',
  failed: 'failed; also: it is already so',
  usage: 'wrong words or options, nothing was done',
  refused: 'create was refused before anything existed',
  unknownMachine: 'there is no such machine, swarm or pool',
  busy: 'another command works on the machine or the pool',
  poolEmpty: 'no machine of the pool became ready in time',
  interrupted: 'interrupted',
};

const STORE = {
  term: '~/.docker/machine',
  text: "the machines, docker-machine's own store; MACHINE_STORAGE_PATH names another",
};

/** hyperkit(1): its verbs, and the other grammar that it has. */
export function hyperkitPage(commands: readonly CommandEntry[]): ManPage {
  return {
    name: 'hyperkit',
    summary: 'Docker hosts in virtual machines of their own',
    synopsis: ['hyperkit VERB [options] [machine...]', `hyperkit ${HYPERKIT_SYNOPSIS.join(' ')}`],
    sections: [
      {
        title: 'Description',
        blocks: [
          'With a verb, hyperkit makes and manages virtual machines in which Docker runs. The machines are those of docker-machine: either manages what the other made.',
          "With HyperKit's options, that is when the first word begins with a single dash, it runs one virtual machine in the foreground.",
        ],
      },
      {
        title: 'Verbs',
        blocks: [commands.map(({ verb, summary }) => ({ term: verb, text: `${summary}; see ${pageNameOf(verb)}(1)` }))],
      },
      { title: 'Options of every verb', blocks: [describeOptions(COMMON_OPTIONS)] },
      {
        title: "HyperKit's options",
        blocks: [Object.entries(HYPERKIT_OPTIONS).map(([letter, text]) => ({ term: `-${letter}`, text }))],
      },
      {
        title: 'Exit status',
        blocks: [
          'Of the verbs:',
          Object.entries(STATUSES).map(([name, text]) => ({ term: `${EXIT[name as keyof typeof EXIT]}`, text })),
        ],
      },
      {
        title: 'Environment',
        blocks: [
          [
            { term: 'MACHINE_STORAGE_PATH', text: 'the folder of the machines' },
            { term: 'DOCKER_HOST', text: 'tells which machine ls calls active' },
            { term: 'HYPERKIT_QEMU', text: 'the QEMU program, instead of the one in PATH' },
            { term: 'CI, NO_COLOR', text: 'plain progress lines; no colours' },
          ],
        ],
      },
      { title: 'Files', blocks: [[STORE]] },
      { title: 'See also', blocks: ['docker-machine-driver-hyperkit(1), vpnkit(1)'] },
    ],
  };
}

/** docker-machine-driver-hyperkit(1): what docker-machine starts, and gRPC. */
export function pluginPage(): ManPage {
  return {
    name: 'docker-machine-driver-hyperkit',
    summary: 'the hyperkit driver of docker-machine',
    synopsis: [
      'docker-machine create --driver hyperkit [options] NAME',
      'docker-machine-driver-hyperkit serve --listen ADDRESS',
    ],
    sections: [
      {
        title: 'Description',
        blocks: [
          'docker-machine, rancher-machine and minikube start this program by themselves when it is in PATH; it speaks their plugin protocol and nothing else.',
          'With the word serve it offers the same driver over gRPC.',
        ],
      },
      {
        title: 'Options of docker-machine create',
        blocks: [
          HYPERKIT_FLAGS.map((flag) => ({
            term: flag.kind === 'bool' ? `--${flag.name}` : `--${flag.name} VALUE`,
            text: `${flag.usage} (environment: ${flag.envVar}${defaultOf(flag)})`,
          })),
        ],
      },
      { title: 'Options of serve', blocks: [describeOptions(SERVE_OPTIONS)] },
      { title: 'Files', blocks: [[STORE]] },
      { title: 'See also', blocks: ['hyperkit(1)'] },
    ],
  };
}

/** vpnkit(1) */
export function vpnkitPage(): ManPage {
  const groups = new Map<string, Record<string, (typeof VPNKIT_OPTIONS)[keyof typeof VPNKIT_OPTIONS]>>();
  for (const [name, option] of Object.entries(VPNKIT_OPTIONS)) {
    if (!('group' in option)) continue;
    groups.set(option.group, { ...groups.get(option.group), [name]: option });
  }
  return {
    name: 'vpnkit',
    summary: 'a user-mode network for virtual machines',
    synopsis: ['vpnkit --ethernet SOCKET [options]'],
    sections: [
      {
        title: 'Description',
        blocks: [
          'Gives guests a network without any privileges: a gateway with DHCP and DNS, connections to wherever the host reaches, and ports of the host that lead to guests.',
          'Prints "ready" when everything listens. Ends with SIGTERM or SIGINT.',
        ],
      },
      ...[...groups].map(([group, options]) => ({
        title: group.replace(/( \(.*\))?:$/, ''),
        blocks: [describeOptions(options)],
      })),
      { title: 'See also', blocks: ['hyperkit(1)'] },
    ],
  };
}

function defaultOf(flag: (typeof HYPERKIT_FLAGS)[number]): string {
  return flag.kind === 'bool' || String(flag.value) === '' ? '' : `; default: ${String(flag.value)}`;
}
