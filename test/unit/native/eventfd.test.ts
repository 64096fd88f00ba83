import { eventfds } from '../../../native/eventfd';
import { NativeError } from '../../../native/native-error';

const opened: number[] = [];
function newEventfd(): number {
  const fd = eventfds.create();
  opened.push(fd);
  return fd;
}
afterEach(() => {
  for (const fd of opened.splice(0)) eventfds.close(fd);
});

it('keeps any number of signals as one, until it is cleared', () => {
  const fd = newEventfd();
  expect(eventfds.clear(fd)).toBe(false);
  eventfds.signal(fd);
  eventfds.signal(fd);
  expect(eventfds.clear(fd)).toBe(true);
  expect(eventfds.clear(fd)).toBe(false);
});

it('says what failed on a descriptor that is none', () => {
  expect(() => eventfds.signal(-1)).toThrow(NativeError);
  expect(() => eventfds.clear(-1)).toThrow(/EBADF/);
});
