import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../../src/cli/program';
import { schemaNameOf } from '../../scripts/generate-output-schemas';
import { fakeTerminal } from '../cli/support';

/** Prints a JSON Schema. */
const WITHOUT_SCHEMA = ['schema'];

function commandsWithJson(command: Command): string[] {
  const own = command.options.some(({ long }) => long === '--output') ? [command.name()] : [];
  return [...own, ...command.commands.flatMap(commandsWithJson)];
}

describe('docs/schemas', () => {
  it('has a schema for every command with -o json, and no other', () => {
    const { commands } = buildProgram(fakeTerminal().context);
    const names = commands.filter((command) => commandsWithJson(command).length > 0).map((command) => command.name());
    const wanted = new Set(names.filter((name) => !WITHOUT_SCHEMA.includes(name)).map(schemaNameOf));
    const there = readdirSync(path.join(__dirname, '../../docs/schemas')).map((name) => name.replace(/\.json$/, ''));
    expect(there.sort()).toEqual([...wanted].sort());
  });
});
