// The program docker-machine-driver-hyperkit. Clients wait for one line of output, the address of the RPC server,
// before they do anything else, and `ls` starts one plugin per machine, one after the other: so everything that is not
// needed to print that line is loaded afterwards. Connections that arrive meanwhile wait unread.
import { writeSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** libmachine's sign that a client started us and will speak RPC (localbinary.PluginEnvVal). */
const PLUGIN_TOKEN = '42';

function servePlugin(): void {
  const waiting: Socket[] = [];
  // Without the pause, bytes would be read and lost before somebody listens for them.
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => waiting.push(socket));
  server.once('error', (error) => {
    writeSync(2, `Error loading RPC server: ${error.message}\n`);
    process.exit(1);
  });
  server.listen(0, '127.0.0.1', () => {
    const { address, port } = server.address() as AddressInfo;
    try {
      writeSync(1, `${address}:${port}\n`);
    } catch {
      process.exit(1); // Whoever started us is gone already.
    }
    void loadPlugin(server, waiting);
  });
}

async function loadPlugin(server: ReturnType<typeof createServer>, waiting: readonly Socket[]): Promise<void> {
  const { runPlugin } = await import('./plugin-process');
  server.removeAllListeners('connection').removeAllListeners('error');
  runPlugin({
    server,
    waiting,
    loadDriver: async (surroundings) => (await import('../hyperkit-driver')).createHyperkitDriver(surroundings),
    exit: (code) => process.exit(code),
  });
}

async function answer(): Promise<void> {
  if (process.argv[2] === 'serve') {
    const { serve } = await import('../grpc/serve');
    process.exit(await serve(process.argv.slice(3)));
  }
  const { answerByHand } = await import('./by-hand');
  const { stream, text, exitCode } = answerByHand(process.argv.slice(2));
  process[stream].write(text);
  process.exitCode = exitCode;
}

if (process.env.MACHINE_PLUGIN_TOKEN === PLUGIN_TOKEN) servePlugin();
else void answer();
