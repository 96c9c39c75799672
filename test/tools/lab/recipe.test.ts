import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { removeOutdated } from '../../../tools/lab/images';
import { raiseInotifyLimit } from '../../../tools/lab/prerequisites';
import { IMAGE_MAX_AGE_MS, LAB_SUITES, aptSources, recipeDigest } from '../../../tools/lab/recipe';

const MIRROR = { main: 'http://mirror/debian', security: 'http://mirror/debian-security' };

describe('tools/lab/recipe', () => {
  it('names the images of every release differently, and uses the archives of the release', () => {
    expect(new Set(LAB_SUITES.map((suite) => recipeDigest(MIRROR, suite))).size).toBe(LAB_SUITES.length);
    expect(aptSources(MIRROR, 'trixie')).toBe(
      'deb http://mirror/debian trixie main\ndeb http://mirror/debian trixie-updates main\ndeb http://mirror/debian-security trixie-security main\n',
    );
    expect(aptSources(MIRROR, 'sid')).toBe('deb http://mirror/debian sid main\n');
  });
});

describe('effects of the lab on its host', () => {
  let dir: string;
  const messages: string[] = [];

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-test-'));
    messages.length = 0;
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  it('leave the images of other recipes alone as long as no renewal is due', () => {
    const now = Date.now();
    const names = [`aaa-${now}`, `bbb-${now - IMAGE_MAX_AGE_MS + 60_000}`, `ccc-${now - IMAGE_MAX_AGE_MS}`, 'no-image'];
    for (const name of names) mkdirSync(path.join(dir, name, 'base'), { recursive: true });
    removeOutdated(dir);
    expect(readdirSync(dir)).toEqual(names.slice(0, 2));
  });

  it.each([
    ['128', '1024\n', /^fs\.inotify\.max_user_instances was 128; it is now 1024/],
    ['8192', '8192', undefined],
  ])('with a limit of %s inotify instances are %j', (before, after, message) => {
    const file = path.join(dir, 'limit');
    writeFileSync(file, before);
    raiseInotifyLimit((line) => messages.push(line), file);
    expect(readFileSync(file, 'utf8')).toBe(after);
    expect(messages).toEqual(message === undefined ? [] : [expect.stringMatching(message)]);
  });
});
