/** A page of the manual, section 1. Texts are plain; what `renderManPage` writes is man(7). */
export interface ManPage {
  /** As in `man hyperkit-create`. */
  readonly name: string;
  /** The line that `apropos` finds. */
  readonly summary: string;
  /** One command line each. */
  readonly synopsis: readonly string[];
  readonly sections: readonly ManSection[];
}

/** A section with its paragraphs and lists. */
export interface ManSection {
  readonly title: string;
  readonly blocks: readonly (string | readonly ManDefinition[])[];
}

/** A term and what it means: an option, a verb, a file. */
export interface ManDefinition {
  readonly term: string;
  readonly text: string;
}

/** Where a page comes from; its head and foot tell. */
export interface ManEdition {
  readonly version: string;
  /** YYYY-MM-DD */
  readonly date: string;
}

/** The page in man(7), the macros that every roff knows. */
export function renderManPage({ name, summary, synopsis, sections }: ManPage, { version, date }: ManEdition): string {
  const lines = [
    `.TH ${quoteRoff(name.toUpperCase())} 1 "${date}" ${quoteRoff(`docker-machine-driver-hyperkit ${version}`)}`,
    // Options must not be broken in two, and long ones need not fill their lines.
    '.nh',
    '.ad l',
    '.SH NAME',
    `${escapeRoff(name)} \\- ${escapeRoff(summary)}`,
    '.SH SYNOPSIS',
    ...synopsis.flatMap((line, index) => [...(index === 0 ? [] : ['.br']), emphasizeCommand(line)]),
  ];
  for (const { title, blocks } of sections) {
    lines.push(`.SH ${quoteRoff(title.toUpperCase())}`);
    blocks.forEach((block, index) => {
      if (typeof block !== 'string') lines.push(...block.flatMap(renderDefinition));
      else lines.push(...(index === 0 ? [] : ['.PP']), ...escapeLines(block));
    });
  }
  return `${lines.join('\n')}\n`;
}

function renderDefinition({ term, text }: ManDefinition): readonly string[] {
  return ['.TP', `.B ${escapeRoff(term)}`, ...escapeLines(text)];
}

function escapeLines(text: string): readonly string[] {
  return text.split('\n').map(escapeRoff);
}

/** The program's name stands out, the rest is as typed. */
function emphasizeCommand(line: string): string {
  const [program = '', ...rest] = line.split(' ');
  return [`\\fB${escapeRoff(program)}\\fR`, ...rest.map(escapeRoff)].join(' ');
}

function quoteRoff(text: string): string {
  return `"${escapeRoff(text).replaceAll('"', '\\(dq')}"`;
}

/**
 * Text as roff prints it: hyphens that stay the ASCII ones people copy, nothing that is taken for a request at the
 * beginning of a line, and other than ASCII by number.
 */
function escapeRoff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/^[.']/, '\\&$&')
    .replace(
      /[^\x20-\x7e]/gu,
      (character) => `\\[u${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
