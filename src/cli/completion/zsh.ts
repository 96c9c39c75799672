/** A completion script for zsh, to be sourced or to be put into a directory of `fpath` as `_ospatch`. */
import { inSingleQuotes } from '../../domain/shared/shell-words';
import type { CompletedCommand, CompletedOption, Values } from './model';
import { LIST_CLUSTERS, LIST_NODES, canListClusters, everyCommand } from './model';

export function zshCompletion(root: CompletedCommand): string {
  return `#compdef ospatch
# zsh completion for ospatch; load it with: source <(ospatch completion zsh)

__ospatch_clusters() {
  local -a clusters
  clusters=(\${(f)"$(${canListClusters(root) ? LIST_CLUSTERS : ':'})"})
  compadd -a clusters
}

__ospatch_nodes() {
  local -a nodes
  local cluster
  # Before the value of an option, zsh has not told the arguments from the options.
  for cluster in "\${(@)line}" "\${(@)words[2,CURRENT-1]}"; do
    [[ $cluster =~ '^[a-z0-9][a-z0-9-]*$' ]] && break
    cluster=
  done
  [[ -n $cluster ]] || return 1
  nodes=(\${=$(${LIST_NODES} "$cluster")})
  if [[ \${@[-1]} == many ]]; then
    compset -P '*,'
    compadd -S '' -a nodes
  else
    compadd -a nodes
  fi
}

${everyCommand(root)
  .map(({ path, command }) => functionOf(path, command, path.length === 0 ? [] : root.options))
  .join('\n')}
if [ "$funcstack[1]" = "_ospatch" ]; then
  _ospatch "$@"
else
  compdef _ospatch ospatch
fi
`;
}

function functionOf(path: readonly string[], command: CompletedCommand, global: readonly CompletedOption[]): string {
  const name = nameOf(path);
  const options = [...command.options, ...global.filter((one) => !shares(one, command.options))].map(optionSpec);
  if (command.commands.length === 0) {
    return `${name}() {
  local line state
  _arguments -s \\
    ${[...options, ...command.arguments.map(argumentSpec)].join(' \\\n    ')}
}
`;
  }
  const known = command.commands.map((one) => inSingleQuotes(`${one.name.replaceAll(':', '\\:')}:${one.description}`));
  const cases = command.commands.map((one) => `      ${one.name}) ${nameOf([...path, one.name])} ;;`);
  return `${name}() {
  local curcontext="$curcontext" state line
  local -a commands
  commands=(
    ${known.join('\n    ')}
  )
  _arguments -C -s \\
    ${options.join(' \\\n    ')} \\
    '1: :->command' \\
    '*:: :->rest'
  case "$state" in
    command) _describe command commands ;;
    rest) case "$words[1]" in
${cases.join('\n')}
    esac ;;
  esac
}
`;
}

function nameOf(path: readonly string[]): string {
  return ['_ospatch', ...path.map((word) => word.replaceAll('-', '_'))].join('_');
}

function shares(option: CompletedOption, others: readonly CompletedOption[]): boolean {
  return others.some(({ flags }) => flags.some((flag) => option.flags.includes(flag)));
}

function optionSpec({ flags, description, values, valueName, isRepeatable }: CompletedOption): string {
  const value = values === null ? '' : `:${escaped(valueName)}:${action(values)}`;
  const text = inSingleQuotes(`[${escaped(description)}]${value}`);
  const names = flags.length > 1 ? `{${flags.join(',')}}` : (flags[0] ?? '');
  return `${isRepeatable ? "'*'" : inSingleQuotes(`(${flags.join(' ')})`)}${names}${text}`;
}

function argumentSpec({ name, values, isVariadic }: CompletedCommand['arguments'][number]): string {
  return inSingleQuotes(`${isVariadic ? '*' : ''}:${escaped(name)}:${action(values)}`);
}

function action(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `(${values.words.join(' ')})`;
    case 'files':
      return '_files';
    case 'directories':
      return '_files -/';
    case 'clusters':
      return '__ospatch_clusters';
    case 'node':
      return '__ospatch_nodes one';
    case 'nodes':
      return '__ospatch_nodes many';
    case 'unknown':
      return '';
  }
}

function escaped(text: string): string {
  return text.replace(/[\\[\]:]/g, '\\$&');
}
