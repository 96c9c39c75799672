import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TrustOptions } from '../../src/trusted-file';
import { UntrustedFile, checkTrusted, openTrusted, readTrusted, readTrustedIfThere } from '../../src/trusted-file';

/** Only root can give files to others and mount volumes. */
const asRoot = process.geteuid?.() === 0 ? it : it.skip;

const NOBODY = 65_534;

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-trusted-'));
});

afterEach(() => {
  jest.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

function fileIn(directory: string, name = 'key', mode = 0o600): string {
  const file = path.join(directory, name);
  writeFileSync(file, 'content');
  chmodSync(file, mode);
  return file;
}

function directoryIn(parent: string, name: string, mode = 0o700): string {
  const directory = path.join(parent, name);
  mkdirSync(directory);
  chmodSync(directory, mode);
  return directory;
}

function refusal(file: string, options: TrustOptions = { secret: false }): UntrustedFile {
  try {
    checkTrusted(file, options);
  } catch (error) {
    if (error instanceof UntrustedFile) return error;
    throw error;
  }
  throw new Error(`${file} was trusted`);
}

describe('src/trusted-file', () => {
  it('reads a private file below a private directory of /tmp', () => {
    expect(readTrusted(fileIn(dir), { secret: true }).toString()).toBe('content');
  });

  it.each([
    ['its group', 0o660, 'group'],
    ['everybody', 0o606, 'everybody'],
  ])('refuses a file that %s can change', (_, mode, who) => {
    const file = fileIn(dir, 'key', mode);
    const error = refusal(file, { secret: false, what: 'the hook ipmi (OSPATCH_HOOK_DIR)', type: 'PowerCycle' });
    expect(error).toMatchObject({ problem: 'writable', type: 'PowerCycle', remedy: `chmod go-w ${file}` });
    expect(error.message).toContain('the hook ipmi (OSPATCH_HOOK_DIR)');
    expect(error.message).toContain(who);
  });

  it.each(['0770', '0777', '0702'])('refuses a private file below a directory with mode %s', (mode) => {
    const shared = directoryIn(dir, 'shared', Number.parseInt(mode, 8));
    const file = fileIn(directoryIn(shared, 'private'));
    expect(refusal(file)).toMatchObject({ problem: 'writable', remedy: `chmod go-w ${shared}` });
  });

  it('refuses a link whose directory others can change, though its target is private', () => {
    const target = fileIn(directoryIn(dir, 'private'));
    const shared = directoryIn(dir, 'shared', 0o777);
    symlinkSync(target, path.join(shared, 'key'));
    expect(refusal(path.join(shared, 'key')).problem).toBe('writable');
  });

  it('refuses a link into a directory that others can change', () => {
    const shared = directoryIn(dir, 'shared', 0o777);
    symlinkSync(fileIn(shared), path.join(dir, 'key'));
    expect(refusal(path.join(dir, 'key')).problem).toBe('writable');
  });

  it('refuses a file directly in a sticky directory, where others may have linked a file of root', () => {
    const sticky = directoryIn(dir, 'tmp', 0o1777);
    expect(refusal(fileIn(sticky)).problem).toBe('writable');
    linkSync(fileIn(dir), path.join(sticky, 'link'));
    expect(refusal(path.join(sticky, 'link')).problem).toBe('writable');
    expect(refusal(sticky, { secret: false, kind: 'directory' }).problem).toBe('writable');
  });

  it('refuses a loop of links, a missing file, a pipe, a directory, and a file that is too large', () => {
    symlinkSync('loop', path.join(dir, 'loop'));
    expect(refusal(path.join(dir, 'loop')).problem).toBe('links');
    expect(refusal(path.join(dir, 'none')).problem).toBe('missing');
    expect(readTrustedIfThere(path.join(dir, 'none'), { secret: true })).toBeUndefined();
    execFileSync('mkfifo', ['-m', '600', path.join(dir, 'pipe')]);
    expect(() => openTrusted(path.join(dir, 'pipe'), { secret: true })).toThrow('not a regular file');
    expect(refusal(dir).problem).toBe('kind');
    expect(() => readTrusted(fileIn(dir), { secret: true, maxBytes: 6 })).toThrow('more than 6 bytes');
    expect(refusal(`${fileIn(dir)}\0.pub`).problem).toBe('name');
  });

  it('follows the parts of a path as the system does, also behind a link', () => {
    const inner = directoryIn(directoryIn(dir, 'a'), 'b');
    symlinkSync(inner, path.join(dir, 'link'));
    fileIn(path.join(dir, 'a'), 'beside');
    expect(checkTrusted(`${dir}/link/../beside`, { secret: true }).path).toBe(path.join(dir, 'a', 'beside'));
  });

  it('refuses a secret that everybody can read, and takes it where it is no secret', () => {
    const file = fileIn(dir, 'key', 0o644);
    expect(refusal(file, { secret: true })).toMatchObject({ problem: 'readable' });
    expect(readTrusted(file, { secret: false }).toString()).toBe('content');
  });

  asRoot('refuses files, directories and links of another user', () => {
    const file = fileIn(dir);
    chownSync(file, NOBODY, NOBODY);
    expect(refusal(file)).toMatchObject({ problem: 'owner', remedy: expect.stringContaining(`chown 0 ${file}`) });

    const theirs = directoryIn(dir, 'theirs');
    const below = fileIn(directoryIn(theirs, 'ours'));
    chownSync(theirs, NOBODY, NOBODY);
    expect(refusal(below).problem).toBe('owner');

    symlinkSync(fileIn(dir, 'other'), path.join(dir, 'link'));
    lchownSync(path.join(dir, 'link'), NOBODY, NOBODY);
    expect(refusal(path.join(dir, 'link')).problem).toBe('owner');
  });

  asRoot('takes a secret that root has given to a group of this process, and no other', () => {
    jest.spyOn(process, 'geteuid').mockReturnValue(1000);
    jest.spyOn(process, 'getegid').mockReturnValue(1000);
    jest.spyOn(process, 'getgroups').mockReturnValue([1000, 2000]);
    const file = fileIn(dir, 'key', 0o640);
    chownSync(file, 0, 2000);
    expect(readTrusted(file, { secret: true }).toString()).toBe('content');
    chownSync(file, 0, 3000);
    expect(refusal(file, { secret: true }).problem).toBe('readable');
    chownSync(file, 1000, 1000);
    expect(refusal(file, { secret: true }).problem).toBe('readable');
  });

  asRoot('reads a Secret as the kubelet mounts it, and refuses the same layout when it can be written', () => {
    const inVolume = `
      mount -t tmpfs -o mode=1777 volume "$1"
      mkdir -m 755 "$1/..2026_11_27" && chgrp 2000 "$1/..2026_11_27" && chmod g+s "$1/..2026_11_27"
      ln -s ..2026_11_27 "$1/..data" && ln -s ..data/key "$1/key"
      printf content >"$1/..2026_11_27/key" && chmod 440 "$1/..2026_11_27/key" && chgrp 2000 "$1/..2026_11_27/key"
      printf content >"$1/..2026_11_27/open" && chmod 444 "$1/..2026_11_27/open" && ln -s ..data/open "$1/open"
      printf token >"$1/..2026_11_27/token" && chmod 640 "$1/..2026_11_27/token" && chown 1000:2000 "$1/..2026_11_27/token"
      ln -s ..data/token "$1/token"
      reads() { setpriv --reuid=1000 --regid=1000 --groups="$2" "$3" -e "$4" "$1/$5"; }
      reads "$1" 2000 "$2" "$3" key
      mount -o remount,ro "$1"
      reads "$1" 2000 "$2" "$3" key
      reads "$1" 3000 "$2" "$3" key
      reads "$1" 2000 "$2" "$3" open
      reads "$1" 2000 "$2" "$3" token
      reads "$1" 3000 "$2" "$3" token`;
    const program = `
      require.extensions['.ts'] = (module, file) => {
        const { code } = require('@swc/core').transformFileSync(file, {
          jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } });
        module._compile(code, file);
      };
      const { readTrusted } = require(${JSON.stringify(path.resolve('src/trusted-file.ts'))});
      try { console.log(readTrusted(process.argv[1], { secret: true }).toString()); }
      catch (error) { console.log(error.problem, error.message); }`;
    const volume = directoryIn(dir, 'volume', 0o755);
    chmodSync(dir, 0o755);
    const args = ['-m', 'sh', '-ec', inVolume, 'sh', volume, process.execPath, program];
    const lines = execFileSync('unshare', args, { encoding: 'utf8' }).split('\n');
    const [whileWritable, mounted, otherGroup, open, token, tokenOfOthers] = lines;
    expect(whileWritable).toMatch(/^writable .*everybody may create files/);
    expect(mounted).toBe('content');
    expect(otherGroup).toMatch(/^readable .*group 2000/);
    expect(open).toMatch(/^readable /);
    // A projected token belongs to the user of the pod.
    expect(token).toBe('token');
    expect(tokenOfOthers).toMatch(/^readable .*group 2000/);
  });
});
