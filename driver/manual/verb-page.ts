import type { Command, CommandEntry } from '../cli/command';
import { COMMON_OPTIONS } from '../cli/command-line';
import type { ManPage } from './man-page';
import { describeOptions } from './option-list';

/** `hyperkit image build` is explained by hyperkit-image-build(1). */
export function pageNameOf(verb: string): string {
  return `hyperkit-${verb.replaceAll(' ', '-')}`;
}

/** The page of one verb, made of what its `--help` is made of. */
export function verbPage({ verb, summary }: CommandEntry, { usage, describe, options }: Command): ManPage {
  const own = describeOptions(options);
  return {
    name: pageNameOf(verb),
    summary,
    synopsis: [`hyperkit ${verb} ${usage}`.trim()],
    sections: [
      { title: 'Description', blocks: [describe] },
      ...(own.length === 0 ? [] : [{ title: 'Options', blocks: [own] }]),
      { title: 'Common options', blocks: [describeOptions(COMMON_OPTIONS)] },
      {
        title: 'See also',
        blocks: ['hyperkit(1), with the exit statuses, the environment and the files of all verbs.'],
      },
    ],
  };
}
