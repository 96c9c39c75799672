/** A completion script for fish 3.0 and newer. */
import type { CompletedCommand, CompletedOption, Values } from './model';
import { LIST_CLUSTERS, LIST_NODES, canListClusters, everyCommand, flagsWithValue } from './model';

export function fishCompletion(root: CompletedCommand): string {
  const all = everyCommand(root);
  const flags = flagsWithValue(root).map(quotedFish);
  const paths = all.filter(({ path }) => path.length > 0).map(({ path }) => path);
  return `# fish completion for ospatch; load it with: ospatch completion fish | source

function __ospatch_clusters
    ${canListClusters(root) ? LIST_CLUSTERS : 'true'}
end

function __ospatch_nodes
    __ospatch_parse
    set -l chosen
    test "$argv[1]" = many; and set chosen (commandline -ct | string match -r '.*,')
    string match -qr '^[a-z0-9][a-z0-9-]*$' -- "$__ospatch_cluster"; or return
    for node in (${LIST_NODES} $__ospatch_cluster | string split ' ')
        echo "$chosen$node"
    end
end

# Sets __ospatch_cluster, __ospatch_command, and the number of arguments after the command: those before the cursor.
function __ospatch_parse
    set -g __ospatch_command
    set -g __ospatch_position 0
    set -g __ospatch_cluster
    set -l skip 0
    set -l flags ${flags.join(' ')}
    set -l commands ${paths.map((path) => quotedFish(path.join(' '))).join(' ')}
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- ":$word" $flags; or contains -- "$__ospatch_command:$word" $flags
            set skip 1
        else if string match -q -- '-?*' $word
            continue
        else if contains -- (string join ' ' $__ospatch_command $word) $commands
            set -a __ospatch_command $word
        else
            test $__ospatch_position = 0; and set -g __ospatch_cluster $word
            set -g __ospatch_position (math $__ospatch_position + 1)
        end
    end
end

function __ospatch_in
    __ospatch_parse
    test "$__ospatch_command" = "$argv[1]"
end

function __ospatch_at
    __ospatch_parse
    test "$__ospatch_command" = "$argv[1]"; and test $__ospatch_position $argv[2] $argv[3]
end

complete -c ospatch -f
${root.options.map((option) => optionLine(null, option)).join('\n')}
${all.flatMap(({ path, command }) => linesOf(path.join(' '), command)).join('\n')}
`;
}

function linesOf(path: string, command: CompletedCommand): string[] {
  const own = path === '' ? [] : command.options.map((option) => optionLine(path, option));
  const children = command.commands.map((child) => {
    return `complete -c ospatch -n ${quotedFish(`__ospatch_at '${path}' -eq 0`)} -a ${child.name} -d ${quotedFish(child.description)}`;
  });
  const rest = command.commands.length > 0 ? [] : command.arguments.flatMap((one, at) => argumentLine(path, one, at));
  return [...own, ...children, ...rest];
}

function optionLine(path: string | null, { flags, description, values }: CompletedOption): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const where = path === null ? '' : ` -n ${quotedFish(`__ospatch_in '${path}'`)}`;
  return `complete -c ospatch${where} ${names.join(' ')}${valueOf(values)} -d ${quotedFish(description)}`;
}

function valueOf(values: Values | null): string {
  if (values === null) return '';
  return values.kind === 'files' || values.kind === 'directories' ? ` -r -F` : ` -x${wordsOf(values)}`;
}

function argumentLine(
  path: string,
  { values, isVariadic }: CompletedCommand['arguments'][number],
  at: number,
): string[] {
  if (values.kind === 'unknown') return [];
  const where = quotedFish(`__ospatch_at '${path}' ${isVariadic ? '-ge' : '-eq'} ${at}`);
  const isPath = values.kind === 'files' || values.kind === 'directories';
  return [`complete -c ospatch -n ${where}${isPath ? ' -F' : wordsOf(values)}`];
}

function wordsOf(values: Values): string {
  if (values.kind === 'clusters') return " -a '(__ospatch_clusters)'";
  if (values.kind === 'node') return " -a '(__ospatch_nodes one)'";
  if (values.kind === 'nodes') return " -a '(__ospatch_nodes many)'";
  return values.kind === 'words' ? ` -a ${quotedFish(values.words.join(' '))}` : '';
}

function quotedFish(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}
