// Writes the bills of materials and the provenance of a packed release. Usage: node scripts/release-papers.js DIR TARBALL
// DIR has the files of the release: the package of npm, and what was made of it (Debian packages, images with the list of
// their Debian packages, the chart). Nothing in the papers depends on the time or the place of the build.
const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { shrinkwrapOf } = require('./make-shrinkwrap');

const ROOT = path.join(__dirname, '..');
const BUILD_TYPE = 'https://github.com/ospatch/ospatch/blob/main/docs/releasing.md#provenance';
const LOCAL_BUILDER = 'https://github.com/ospatch/ospatch/blob/main/docs/releasing.md#publishing';

/** A UUID (version 8) that is derived from a digest. */
function uuidOf(sha256) {
  const hex = `${sha256.slice(0, 12)}8${sha256.slice(13, 16)}8${sha256.slice(17, 32)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * The bill of materials of npm with what differs between two runs derived from the package, and the digest of the
 * package itself.
 */
function reproducibleSbom(sbom, { name, sha256, committedAt }) {
  const hashes = [{ alg: 'SHA-256', content: sha256 }];
  // npm names the project by its directory.
  const component = { ...sbom.metadata.component, name, hashes };
  return {
    ...sbom,
    serialNumber: `urn:uuid:${uuidOf(sha256)}`,
    metadata: { ...sbom.metadata, timestamp: committedAt, component },
  };
}

/** The packages of Debian in an image, one `NAME VERSION SHA256` a line, as scripts/build-image.sh lists them. */
function parseDebianPackages(text) {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [name, version, sha256] = line.split(' ');
    return { name, version, sha256 };
  });
}

function debianPurl({ name, version }, arch) {
  return `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${arch}&distro=debian-13`;
}

/** The bill of materials of an image: that of the package, and the packages of Debian below it. */
function imageSbom(sbom, { file, sha256, arch, debian }) {
  const component = {
    ...sbom.metadata.component,
    type: 'container',
    'bom-ref': file,
    hashes: [{ alg: 'SHA-256', content: sha256 }],
  };
  const components = debian.map((one) => ({
    type: 'library',
    'bom-ref': debianPurl(one, arch),
    name: one.name,
    version: one.version,
    purl: debianPurl(one, arch),
    hashes: [{ alg: 'SHA-256', content: one.sha256 }],
  }));
  const refs = [...sbom.components, ...components].map((one) => one['bom-ref']);
  return {
    ...sbom,
    serialNumber: `urn:uuid:${uuidOf(sha256)}`,
    metadata: { ...sbom.metadata, component },
    components: [...sbom.components, ...components],
    dependencies: [
      { ref: file, dependsOn: refs },
      ...(sbom.dependencies ?? []).filter(({ ref }) => ref !== sbom.metadata.component['bom-ref']),
      ...components.map((one) => ({ ref: one['bom-ref'], dependsOn: [] })),
    ],
  };
}

/** An in-toto statement about `artefacts` (`{name, sha256}`), with SLSA provenance. */
function provenanceOf(artefacts, { repository, commit, ref, lockSha256, builder, versions, debian = [] }) {
  const source = `git+${repository}@${ref}`;
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: artefacts.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { source, script: 'scripts/release.sh' },
        resolvedDependencies: [
          { uri: source, digest: { gitCommit: commit } },
          { name: 'package-lock.json', digest: { sha256: lockSha256 } },
          ...debian.map(({ uri, sha256 }) => ({ uri, digest: { sha256 } })),
        ],
      },
      runDetails: { builder: { id: builder, version: versions } },
    },
  };
}

function git(...args) {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
}

/** The builder as a CI names it; a machine of a maintainer otherwise. */
function builderOf(env) {
  const { GITHUB_SERVER_URL: server, GITHUB_WORKFLOW_REF: workflow } = env;
  return server === undefined || workflow === undefined ? LOCAL_BUILDER : `${server}/${workflow}`;
}

function npm(cwd, ...args) {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

/** Of what is published. From the whole lock file with `--omit dev`, npm leaves out what both kinds need. */
function npmSbom() {
  const read = (file) => JSON.parse(readFileSync(path.join(ROOT, file), 'utf8'));
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-sbom-'));
  try {
    const manifest = { ...read('package.json'), devDependencies: {}, scripts: {} };
    writeFileSync(path.join(dir, 'package.json'), JSON.stringify(manifest));
    writeFileSync(path.join(dir, 'package-lock.json'), JSON.stringify(shrinkwrapOf(read('package-lock.json'))));
    const options = ['--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'];
    return JSON.parse(npm(dir, 'sbom', ...options));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function main(dir, tarball) {
  const { name, version, repository } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const digest = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');
  const write = (file, value) => writeFileSync(path.join(dir, file), `${JSON.stringify(value, null, 2)}\n`);
  const sha256 = digest(path.join(dir, tarball));

  const sbomName = `${name}-${version}.cdx.json`;
  const committedAt = new Date(Number(git('log', '-1', '--format=%ct')) * 1000).toISOString();
  const sbom = reproducibleSbom(npmSbom(), { name, sha256, committedAt });
  write(sbomName, sbom);

  const debian = [];
  for (const list of readdirSync(dir).filter((file) => file.endsWith('.packages'))) {
    const base = path.basename(list, '.packages');
    const arch = base.split('-').at(-1);
    const packages = parseDebianPackages(readFileSync(path.join(dir, list), 'utf8'));
    const file = `${base}.oci.tar`;
    write(`${base}.cdx.json`, imageSbom(sbom, { file, sha256: digest(path.join(dir, file)), arch, debian: packages }));
    debian.push(...packages.map((one) => ({ uri: debianPurl(one, arch), sha256: one.sha256 })));
    // The bill of materials says the same.
    rmSync(path.join(dir, list));
  }

  const others = readdirSync(dir).filter((file) => file !== tarball && file !== sbomName);
  const artefacts = [tarball, sbomName, ...others].map((file) => ({
    name: file,
    sha256: digest(path.join(dir, file)),
  }));
  const about = {
    repository: repository.url.replace(/^git\+/, ''),
    commit: git('rev-parse', 'HEAD'),
    ref: `refs/tags/v${version}`,
    lockSha256: digest(path.join(ROOT, 'package-lock.json')),
    builder: builderOf(process.env),
    debian,
    versions: { node: process.version, npm: npm(ROOT, '--version').trim() },
  };
  write(`${name}-${version}.intoto.json`, provenanceOf(artefacts, about));
}

if (require.main === module) {
  const [dir, tarball, ...more] = process.argv.slice(2);
  if (dir === undefined || tarball === undefined || more.length > 0) {
    console.error('usage: node scripts/release-papers.js DIR TARBALL');
    process.exitCode = 2;
  } else main(dir, tarball);
}

module.exports = { builderOf, imageSbom, provenanceOf, reproducibleSbom, uuidOf };
