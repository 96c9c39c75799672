// The updates that the node of a bench gets: packages of the lab, in another version every time.
'use strict';
const { execFileSync } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const path = require('node:path');
require('../register');
const { REPOSITORY_DIR, buildDeb, indexRepository } = require('../lab/packages');

/** As small as a package can be: some files, and a script that does nothing. What is there beside dpkg shows most. */
function tinyPackage(index, version) {
  const files = {};
  for (let n = 0; n < 20; n += 1) files[`/usr/share/lab-bench-${index}/${n}`] = `${version} ${n}\n`.repeat(100);
  return { name: `lab-bench-${index}`, version, files, postinst: 'true' };
}

const MIB = 1024 * 1024;

/** Half of what a program holds cannot be compressed. The same in every version: dpkg unpacks it all the same. */
const NOISE = randomBytes(5 * MIB);

/**
 * As security updates are: a package of 1 to 5 MiB in xz, twice that to unpack, 60 files, a configuration file, the trigger of ldconfig that every
 * library has, and for every third package a service, whose script has systemd read its units again.
 */
function realPackage(index, version) {
  const name = `lab-bench-${index}`;
  const size = 1 + (index % 5);
  const files = {
    [`/etc/${name}.conf`]: `# ${name}\n`,
    [`/usr/lib/${name}/program`]: Buffer.concat([
      NOISE.subarray(0, size * MIB),
      Buffer.alloc(size * MIB, `${version} `),
    ]),
  };
  for (let n = 0; n < 58; n += 1) files[`/usr/share/${name}/${n}`] = `${version} ${n}\n`.repeat(500);
  const postinst =
    index % 3 === 0 ? 'if [ "$1" = configure ]; then systemctl --system daemon-reload || true; fi' : 'true';
  const triggers = 'activate-noawait ldconfig';
  return { name, version, files, preinst: 'true', postinst, triggers, compression: 1 };
}

/** The members of a package file, which is an archive of ar, by name and with their headers. */
function membersOf(file) {
  const archive = readFileSync(file);
  const members = {};
  for (let at = 8; at < archive.length;) {
    const length = 60 + Number(archive.toString('latin1', at + 48, at + 58));
    members[archive.toString('latin1', at, at + 16).trim()] = archive.subarray(at, at + length);
    at += length + (length % 2);
  }
  return members;
}

const padded = (member) => (member.length % 2 === 0 ? member : Buffer.concat([member, Buffer.from('\n')]));

/**
 * `count` packages of a `kind`, "tiny" or "real".
 *
 * @throws Error for any other kind
 */
function createUpdates(kind, count) {
  const packageOf = { tiny: tinyPackage, real: realPackage }[kind];
  if (packageOf === undefined) throw new Error(`--packages is tiny or real, not ${kind}`);
  const names = Array.from({ length: count }, (_, index) => `lab-bench-${index + 1}`);
  /** The compressed files of each real package, which take long to compress and are the same in every version. */
  const dataOf = new Map();

  async function build(repository, pkg) {
    if (kind === 'tiny') return buildDeb(repository, pkg);
    const isFirst = !dataOf.has(pkg.name);
    const configuration = Object.entries(pkg.files).filter(([name]) => name.startsWith('/etc/'));
    const file = path.join(
      repository,
      await buildDeb(repository, isFirst ? pkg : { ...pkg, files: Object.fromEntries(configuration) }),
    );
    const members = membersOf(file);
    if (isFirst) dataOf.set(pkg.name, members['data.tar.xz']);
    const parts = [members['debian-binary'], members['control.tar.xz'], dataOf.get(pkg.name)];
    writeFileSync(file, Buffer.concat([Buffer.from('!<arch>\n'), ...parts.map(padded)]));
  }

  return {
    /** What the node has installed at first. Tiny ones, of which an image of the node can be kept. */
    installed: names.map((_, index) => tinyPackage(index + 1, '1.0')).map((from) => ({ from, to: from })),

    /**
     * The repository of the node holds these and nothing older, so that no round is slower than the one before it. What
     * was written is on the disk before somebody else's fsync has to wait for it.
     */
    async offer(node, version) {
      const repository = path.join(node.rootDir, REPOSITORY_DIR);
      for (const file of readdirSync(repository))
        if (file.startsWith('lab-bench-')) rmSync(path.join(repository, file));
      for (const index of names.keys()) await build(repository, packageOf(index + 1, version));
      await indexRepository(repository);
      execFileSync('sync');
    },

    /** @throws Error when the node does not have every package in this version */
    check(node, version) {
      const status = node.readFile('var/lib/dpkg/status').split('\n\n');
      const missing = names.filter((name) => {
        const entry = status.find((text) => text.startsWith(`Package: ${name}\n`)) ?? '';
        return !entry.includes('\nStatus: install ok installed\n') || !entry.includes(`\nVersion: ${version}\n`);
      });
      if (missing.length > 0) throw new Error(`not installed in version ${version}: ${missing.join(', ')}`);
    },
  };
}

module.exports = { createUpdates };
