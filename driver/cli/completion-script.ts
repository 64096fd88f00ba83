import type { OptionTable } from './command';

/** A verb as completion knows it. */
export interface CompletedVerb {
  /** One word, or two. */
  readonly verb: string;
  readonly summary: string;
  readonly options: OptionTable;
  /** Its operands are machines. */
  readonly takesMachines: boolean;
}

const MACHINES = 'hyperkit ls -q 2>/dev/null';

/** Shells that completion can be written for. */
export const COMPLETED_SHELLS = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
} as const satisfies Readonly<Record<string, (verbs: readonly CompletedVerb[]) => string>>;

interface Flag {
  readonly name: string;
  readonly describe: string;
}

/** Long options of a verb; prefixed copies of the driver's are left out: they are for old command lines. */
function flagsOf({ options }: CompletedVerb): readonly Flag[] {
  return Object.entries(options).map(([name, { describe }]) => ({
    name: `--${name}`,
    describe: (describe ?? '').replace(/[^\x20-\x7e]/g, ''),
  }));
}

/** First words, and what may follow each: the second words of two-word verbs, or nothing. */
function firstWords(
  verbs: readonly CompletedVerb[],
): ReadonlyMap<string, { readonly summary: string; readonly seconds: readonly string[] }> {
  const words = new Map<string, { summary: string; seconds: string[] }>();
  for (const { verb, summary } of verbs) {
    const [first = '', second] = verb.split(' ');
    const known = words.get(first) ?? { summary, seconds: [] };
    if (second !== undefined) known.seconds.push(second);
    words.set(first, known);
  }
  return words;
}

function bashScript(verbs: readonly CompletedVerb[]): string {
  const words = firstWords(verbs);
  const cases = verbs.map((verb) => {
    const flags = flagsOf(verb).map(({ name }) => name);
    return `    ${quote(`${verb.verb} `)}*) options='${flags.join(' ')}' machines=${verb.takesMachines ? 'yes' : ''} ;;`;
  });
  const seconds = [...words].filter(([, { seconds }]) => seconds.length > 0);
  return `# bash completion for hyperkit: eval "$(hyperkit completion bash)"
_hyperkit() {
    local current=\${COMP_WORDS[COMP_CWORD]} options='' machines=''
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W '${[...words.keys()].join(' ')}' -- "$current"))
        return
    fi
    case "$COMP_CWORD \${COMP_WORDS[1]}" in
${seconds.map(([first, { seconds: following }]) => `    '2 ${first}') COMPREPLY=($(compgen -W '${following.join(' ')}' -- "$current")); return ;;`).join('\n')}
    esac
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]} " in
${cases.join('\n')}
    esac
    case $current in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) [ -z "$machines" ] || COMPREPLY=($(compgen -W "$(${MACHINES})" -- "$current")) ;;
    esac
}
complete -o default -F _hyperkit hyperkit`;
}

function zshScript(verbs: readonly CompletedVerb[]): string {
  const words = firstWords(verbs);
  const described = (flags: readonly Flag[]): string =>
    flags.map(({ name, describe }) => quote(`${name}:${describe.replaceAll(':', '\\:')}`)).join(' ');
  const summaries = [...words].map(([name, { summary }]) => ({ name, describe: summary }));
  const cases = verbs.map(
    (verb) =>
      `    ${quote(`${verb.verb} `)}*) options=(${described(flagsOf(verb))}) machines=${verb.takesMachines ? 'yes' : ''} ;;`,
  );
  const seconds = [...words].filter(([, { seconds }]) => seconds.length > 0);
  return `#compdef hyperkit
# zsh completion for hyperkit: eval "$(hyperkit completion zsh)"
_hyperkit() {
    local -a options verbs
    local machines=''
    verbs=(${described(summaries)})
    if (( CURRENT == 2 )); then
        _describe verb verbs
        return
    fi
    case "$CURRENT $words[2]" in
${seconds.map(([first, { seconds: following }]) => `    '3 ${first}') compadd -- ${following.join(' ')}; return ;;`).join('\n')}
    esac
    case "$words[2] $words[3] " in
${cases.join('\n')}
    esac
    if [[ $PREFIX == -* ]]; then
        _describe option options
    elif [[ -n $machines ]]; then
        compadd -- \${(f)"$(${MACHINES})"}
    else
        _files
    fi
}
compdef _hyperkit hyperkit
# When zsh itself loads this file as a function, this is the function's first call.
if [ "$funcstack[1]" = _hyperkit ]; then _hyperkit "$@"; fi`;
}

function fishScript(verbs: readonly CompletedVerb[]): string {
  const words = firstWords(verbs);
  const lines = ['# fish completion for hyperkit: hyperkit completion fish | source', 'complete -c hyperkit -f'];
  for (const [first, { summary, seconds }] of words) {
    lines.push(`complete -c hyperkit -n __fish_use_subcommand -a ${first} -d ${quote(summary)}`);
    for (const second of seconds)
      lines.push(`complete -c hyperkit -n '__fish_seen_subcommand_from ${first}' -a ${second}`);
  }
  for (const verb of verbs) {
    const condition = verb.verb
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ');
    if (verb.takesMachines) lines.push(`complete -c hyperkit -n '${condition}' -a '(${MACHINES})'`);
    for (const { name, describe } of flagsOf(verb)) {
      lines.push(`complete -c hyperkit -n '${condition}' -l ${name.slice(2)} -d ${quote(describe)}`);
    }
  }
  return lines.join('\n');
}

/** One word for any of the three. fish, too, knows `'\\''` as the end, a quote, and a new beginning. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
