import { Command } from 'commander';
import { momentOption } from '../../../src/cli/options/moment';
import { NOW } from '../support';

function read(text: string): string {
  const command = new Command('x').exitOverride().configureOutput({ writeErr: () => undefined });
  command
    .addOption(momentOption({ now: () => NOW }, '--until <time>', 'when'))
    .parse(['--until', text], { from: 'user' });
  return command.opts<{ until: string }>().until;
}

describe('src/cli/options/moment', () => {
  test.each([
    ['12h', '2026-11-24T00:00:00Z'],
    ['2027-01-31T18:00:00Z', '2027-01-31T18:00:00Z'],
    ['2027-01-31T18:00+01:00', '2027-01-31T17:00:00Z'],
    ['2028-02-29T00:00Z', '2028-02-29T00:00:00Z'],
  ])('reads %s', (text, expected) => {
    expect(Date.parse(read(text))).toBe(Date.parse(expected));
  });

  test.each([
    '2027-02-30T00:00:00Z',
    '2027-02-29T00:00Z',
    '2027-01-31T25:00Z',
    '2027-01-31T18:00',
    '2027-01-31',
    'tomorrow',
    '12',
  ])('refuses %s', (text) => {
    expect(() => read(text)).toThrow('Allowed: a duration');
  });
});
