import { once } from 'node:events';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { sockets } from '../../../../../native/sockets';

test('what one handler throws is told, and the others go on', async () => {
  const reactor = new Reactor();
  const [left, right] = sockets.pair();
  const told: string[] = [];
  const heard = new EventTarget();
  reactor.onFault = (error) => told.push(error.message);
  try {
    const faulty = reactor.watch(left, () => {
      throw new Error('a mistake');
    });
    const sound = reactor.watch(right, () => void heard.dispatchEvent(new Event('heard')));
    // Both are writable, so both are called at once.
    await once(heard as unknown as NodeJS.EventEmitter, 'heard');
    expect(told).toEqual(['a mistake']);
    faulty.close();
    sound.close();
  } finally {
    reactor.close();
    sockets.close(left);
    sockets.close(right);
  }
});
