import { fstatSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { encodeReport, type LaunchReport } from './report';

const REPORT_FD = 3;

/** The machine process's end of the connection to whoever launched it. */
export interface LauncherLink {
  /** Says how the launch went and hangs up. Only the first call counts. */
  report(report: LaunchReport): Promise<void>;
  /** Aborts when the launcher goes away before it has heard anything: then nobody wants the machine any more. */
  readonly abandoned: AbortSignal;
}

/** Started by hand, without a launcher, reports go nowhere and nothing is ever abandoned. */
export function openLauncherLink(): LauncherLink {
  const abort = new AbortController();
  let socket = connect();
  socket?.on('error', () => undefined);
  socket?.once('close', () => {
    if (socket) abort.abort(new Error('the command that started the machine has gone'));
  });
  // Nothing is expected, but only a stream that is read notices its end.
  socket?.resume();
  return {
    abandoned: abort.signal,
    async report(report) {
      const launcher = socket;
      socket = undefined;
      if (!launcher || launcher.destroyed) return;
      await new Promise<void>((resolve) => {
        launcher.once('close', resolve);
        launcher.end(encodeReport(report), () => launcher.destroy());
      });
    },
  };
}

/** The specification that the launcher sends on standard input; undefined when there is none. */
export function readSpecificationFromLauncher(): unknown {
  const text = readFileSync(0, 'utf8');
  return text === '' ? undefined : JSON.parse(text);
}

function connect(): Socket | undefined {
  try {
    return fstatSync(REPORT_FD).isSocket() ? new Socket({ fd: REPORT_FD }) : undefined;
  } catch {
    return undefined;
  }
}
