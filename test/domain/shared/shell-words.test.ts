import { execFileSync } from 'node:child_process';
import { shellLine } from '../../../src/domain/shared/shell-words';

describe('src/domain/shared/shell-words', () => {
  test('leaves plain words as they are', () => {
    expect(shellLine(['ospatch', 'retry', 'prod-eu', 'w-1.example.com'])).toBe('ospatch retry prod-eu w-1.example.com');
  });

  test.each([
    ["it's"],
    ['$(reboot) `id` $HOME'],
    ['two  spaces'],
    [''],
    ['a;b&c|d>e*?[x]{a,b}~!#'],
    ['"quoted" \\ Ünïcode'],
  ])('quotes %j so that a shell passes it on unchanged', (word) => {
    expect(execFileSync('sh', ['-c', `printf %s ${shellLine([word])}`], { encoding: 'utf8' })).toBe(word);
  });
});
