import type { Duplex } from 'node:stream';
import { HOST_KEY_TYPES } from '../identity/ssh-host-key';
import type { GuestIdentity, IdentityFacts } from './warm-starts';

/*
 * The host's side of what a template and its copies say over the virtio-serial port `org.hyperkit.identity`; the guest's
 * is image/rootfs/usr/lib/boot2docker/identity. Lines of text:
 *
 *   guest  quiet 2              it may be saved; what follows is said to copies of it
 *   host   identity 2, then `KEY VALUE` for each part, then `end`
 *   guest  clock                as often as it likes
 *   host   clock SECONDS.MICROS at once
 *   guest  fact KEY VALUE       what it has become
 *   guest  done | failed WHY
 */

/** Name of the port in the guest. */
export const IDENTITY_PORT = 'org.hyperkit.identity';

const VERSION = '2';
const MAX_LINE = 1024;
const MAX_FACTS = 64;

type Wanted = 'quiet' | 'done';

/** One conversation with a guest. Everything that is not in the protocol ends it. */
export class IdentityChannel {
  readonly #port: Duplex;
  readonly #facts = new Map<string, string>();
  #text = '';
  #waiting:
    | { readonly word: Wanted; readonly resolve: () => void; readonly reject: (error: Error) => void }
    | undefined;
  #said: Wanted | undefined;
  #failure: Error | undefined;

  constructor(port: Duplex) {
    this.#port = port;
    port.on('data', (chunk: Buffer) => this.#receive(chunk.toString('latin1')));
    port.on('error', (error) => this.#fail(`the channel broke: ${error.message}`));
    port.on('close', () => this.#fail('the channel closed'));
  }

  /** Resolves when the guest may be saved. */
  async quiet(): Promise<void> {
    await this.#until('quiet');
  }

  /** Tells a copy who it is; resolves with what it says about itself when it is that. */
  async impart(identity: GuestIdentity): Promise<IdentityFacts> {
    const { docker } = identity;
    const lines = [
      `identity ${VERSION}`,
      `hostname ${identity.hostname}`,
      `machine-id ${identity.machineId}`,
      `boot-id ${identity.bootId}`,
      `engine-id ${identity.engineId}`,
      `mac ${identity.macAddress}`,
      `seed ${base64(identity.seed)}`,
      ...HOST_KEY_TYPES.flatMap((type) => {
        const { privateKey, publicKey } = identity.hostKeys[type];
        return [`ssh-${type} ${base64(privateKey)}`, `ssh-${type}-public ${base64(publicKey)}`];
      }),
      `docker-ca ${base64(docker.ca)}`,
      `docker-certificate ${base64(docker.certificate)}`,
      `docker-key ${base64(docker.key)}`,
      `docker-profile ${base64(docker.profile ?? '')}`,
      `userdata ${base64(identity.userData)}`,
      'end',
    ];
    this.#port.write(`${lines.join('\n')}\n`);
    await this.#until('done');
    return this.#facts;
  }

  async #until(word: Wanted): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#said === word) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting = { word, resolve, reject };
    });
  }

  #receive(text: string): void {
    if (this.#failure !== undefined) return;
    const lines = `${this.#text}${text}`.split('\n');
    this.#text = lines.pop() ?? '';
    try {
      for (const line of lines) this.#hear(line);
      if (this.#text.length > MAX_LINE) throw new Error('it said too much');
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  #hear(line: string): void {
    const [word = '', first = '', ...rest] = line.split(' ');
    if (line.length > MAX_LINE || this.#facts.size > MAX_FACTS) throw new Error('it said too much');
    switch (word) {
      case 'clock':
        this.#port.write(`clock ${now()}\n`);
        break;
      case 'fact':
        this.#facts.set(first, printable(rest.join(' ')));
        break;
      case 'quiet':
        if (first !== VERSION) throw new Error(`it speaks version ${first} of the protocol, not ${VERSION}`);
        this.#reach('quiet');
        break;
      case 'done':
        this.#reach('done');
        break;
      case 'failed':
        throw new Error(printable([first, ...rest].join(' ')));
      default:
        throw new Error(`it said ${JSON.stringify(line.slice(0, 80))}`);
    }
  }

  #reach(word: Wanted): void {
    this.#said = word;
    if (this.#waiting?.word !== word) return;
    this.#waiting.resolve();
    this.#waiting = undefined;
  }

  #fail(why: string): void {
    // After its last word the guest closes the port.
    if (this.#said === 'done') return;
    this.#failure ??= new Error(why);
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }
}

/** The time of day, in seconds with six decimals. */
function now(): string {
  return (Date.now() / 1000).toFixed(6);
}

function base64(content: string | Uint8Array): string {
  return Buffer.from(content).toString('base64');
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
