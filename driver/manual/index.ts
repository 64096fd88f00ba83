import { COMMANDS } from '../cli/command-table';
import type { ManPage } from './man-page';
import { hyperkitPage, pluginPage, vpnkitPage } from './program-pages';
import { verbPage } from './verb-page';

export { renderManPage } from './man-page';

/** Every page: one for each program, and one for each verb of `hyperkit`. */
export async function writePages(): Promise<readonly ManPage[]> {
  const verbs = COMMANDS.map(async (entry) => verbPage(entry, await entry.load()));
  return [hyperkitPage(COMMANDS), pluginPage(), vpnkitPage(), ...(await Promise.all(verbs))];
}
