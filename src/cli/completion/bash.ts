/** A completion script for bash 3.2 and newer; bash-completion is not needed. */
import type { CompletedCommand, CompletedOption, Values } from './model';
import { LIST_CLUSTERS, LIST_NODES, canListClusters, everyCommand, flagsWithValue } from './model';

export function bashCompletion(root: CompletedCommand): string {
  const all = everyCommand(root);
  const known = all.filter(({ path }) => path.length > 0);
  return `# bash completion for ospatch; load it with: source <(ospatch completion bash)

# Nobody waits longer than a second for a server; a command that is not read ends by itself.
__ospatch_clusters() {
  local names=""
  IFS= read -r -d '' -t 1 names < <(${canListClusters(root) ? LIST_CLUSTERS : ':'}; printf '\\0')
  printf '%s' "$names"
}

__ospatch_nodes() {
  local names="" chosen="" word
  [[ $1 == many && $cur == *,* ]] && chosen="\${cur%,*},"
  COMPREPLY=()
  [[ $cluster =~ ^[a-z0-9][a-z0-9-]*$ ]] || return
  IFS= read -r -d '' -t 1 names < <(${LIST_NODES} "$cluster"; printf '\\0')
  for word in $names; do
    [[ $chosen$word == "$cur"* ]] && COMPREPLY+=("$chosen$word")
  done
}

__ospatch_words() {
  COMPREPLY=()
  local word
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done < <(compgen -W "$1" -- "$cur")
}

__ospatch_paths() {
  local path
  COMPREPLY=()
  while IFS= read -r path; do
    COMPREPLY+=("$path")
  done < <(compgen "$1" -- "$cur")
  compopt -o filenames 2>/dev/null
}

_ospatch() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="" command="" cluster="" position=0 word i
  ((COMP_CWORD > 0)) && prev="\${COMP_WORDS[COMP_CWORD - 1]}"
  # --output=json arrives as three words.
  if [[ $cur == "=" ]]; then
    cur=""
  elif [[ $prev == "=" ]] && ((COMP_CWORD > 1)); then
    prev="\${COMP_WORDS[COMP_CWORD - 2]}"
  fi

  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$command:$word" in
      ${flagsWithValue(root)
        .map((flag) => (flag.startsWith(':') ? `*${flag}` : `"${flag}"`))
        .join(' | ')})
        ((i++))
        [[ "\${COMP_WORDS[i]}" == "=" ]] && ((i++))
        ;;
      *:-?*) ;;
      *)
        case "$command $word" in
          ${known.map(({ path }) => caseOf(path)).join(' | ')}) command="\${command:+$command }$word" ;;
          *)
            ((position == 0)) && cluster="$word"
            ((position++))
            ;;
        esac
        ;;
    esac
  done

  case "$command:$prev" in
${known.flatMap(({ path, command }) => valueCases(path.join(' '), command.options)).join('\n')}
  esac
  case "$prev" in
${valueCases(null, root.options).join('\n')}
  esac

  if [[ $cur == -* ]]; then
    case "$command" in
${known.map(({ path, command }) => optionCase(path.join(' '), [...command.options, ...root.options])).join('\n')}
      *) __ospatch_words "${wordsOf(root.options)}" ;;
    esac
    return
  fi

  case "$command:$position" in
${all.flatMap(({ path, command }) => argumentCases(path.join(' '), command)).join('\n')}
  esac
}

complete -F _ospatch ospatch
`;
}

/** The command so far, a space, and the next word. */
function caseOf(path: readonly string[]): string {
  return `"${path.slice(0, -1).join(' ')} ${path.at(-1) ?? ''}"`;
}

function valueCases(command: string | null, options: readonly CompletedOption[]): string[] {
  return options.flatMap(({ flags, values }) => {
    if (values === null) return [];
    const patterns = flags.map((flag) => (command === null ? flag : `"${command}:${flag}"`));
    return [`    ${patterns.join(' | ')}) ${complete(values)}; return ;;`];
  });
}

function optionCase(command: string, options: readonly CompletedOption[]): string {
  return `      "${command}") __ospatch_words "${wordsOf(options)}" ;;`;
}

function wordsOf(options: readonly CompletedOption[]): string {
  return [...new Set(options.flatMap(({ flags }) => flags))].join(' ');
}

function argumentCases(path: string, command: CompletedCommand): string[] {
  if (command.commands.length > 0) {
    return [`    "${path}:0") __ospatch_words "${command.commands.map(({ name }) => name).join(' ')}" ;;`];
  }
  return command.arguments.map(({ values, isVariadic }, at) => {
    return `    "${path}:"${isVariadic ? '*' : at}) ${complete(values)} ;;`;
  });
}

function complete(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `__ospatch_words "${values.words.join(' ')}"`;
    case 'files':
      return '__ospatch_paths -f';
    case 'directories':
      return '__ospatch_paths -d';
    case 'clusters':
      return '__ospatch_words "$(__ospatch_clusters)"';
    case 'node':
      return '__ospatch_nodes one';
    case 'nodes':
      return '__ospatch_nodes many';
    case 'unknown':
      return 'COMPREPLY=()';
  }
}
