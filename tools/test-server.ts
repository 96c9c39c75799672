/** Finds the test server that can skip time, or gets one. For tests only. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';

import { aptInstall } from './apt';
import { downloadBinary, releasePlatform } from '../src/dev/download';
import type { Log } from '../src/dev/host';
import { cacheDir, mustRun, sleep, timed, which } from '../src/dev/host';
import { freePorts } from '../src/dev/ports';
import { withLock } from '../src/dev/owner-lock';

/** Has every feature the tests use, and starts within the SDK's limit of 5 s. */
const VERSION = '1.38.0';

/** The archive of this version at github.com/temporalio/sdk-java. Other platforms use its Java library. */
const ARCHIVE_PLATFORM = 'linux_amd64';
const ARCHIVE_NAME = `temporal-test-server_${VERSION}_${ARCHIVE_PLATFORM}`;
const ARCHIVE = {
  url: `https://github.com/temporalio/sdk-java/releases/download/v${VERSION}/${ARCHIVE_NAME}.tar.gz`,
  sha256: '41df834fe8e1ac59619e13908f41b63e4d1054f37634a2f89033d8cf6af71b96',
  file: `${ARCHIVE_NAME}/temporal-test-server`,
};

/** Raised when the start script changes, so that caches get the new one. */
const SCRIPT_VERSION = 2;

const MAIN_CLASS = 'io.temporal.testserver.TestServer';

/** Quick to start rather than quick in the long run. */
const JAVA_OPTIONS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto', '-Xlog:disable', '-Xlog:all=off'];

/** The Java libraries, as `sha256sum` lists them. */
const JAR_DIGESTS = path.join(__dirname, 'test-server.sha256');

const ARCHIVE_TIMEOUT_MS = 60_000;

/** What `TestWorkflowEnvironment.createTimeSkipping({ server: { executable } })` takes. */
export interface TestServerExecutable {
  type: 'existing-path';
  path: string;
}

/**
 * The test server in the cache, else downloaded, else made of its Java library with Maven. Throws one sentence that
 * says what to install when none of these works.
 */
export async function findTestServer(log: Log): Promise<TestServerExecutable> {
  const target = path.join(cacheDir('bin'), `temporal-test-server-${VERSION}-${SCRIPT_VERSION}`);
  const found: TestServerExecutable = { type: 'existing-path', path: target };
  if (existsSync(target)) return found;
  const onWait = () => log('waiting for another process that gets the time-skipping test server ...');
  return withLock(`${target}.lock`, onWait, async () => {
    if (existsSync(target)) return found;
    const downloaded =
      releasePlatform() === ARCHIVE_PLATFORM &&
      (await downloadBinary(ARCHIVE, target).then(
        () => true,
        () => false,
      ));
    if (downloaded) return found;
    await installJava(log);
    await timed(log, 'Getting the time-skipping Temporal test server with Maven', '30 s, only once', () =>
      build(target),
    );
    return found;
  });
}

async function build(target: string): Promise<void> {
  const jars = cacheDir(`temporal-test-server-${VERSION}-jars`);
  const pom = path.join(jars, 'pom.xml');
  writeFileSync(pom, pomFile());
  await mustRun('mvn', ['-B', '-q', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`]);
  const names = readdirSync(jars).filter((name) => name.endsWith('.jar'));
  checkJars(jars, names);
  const classPath = names
    .toSorted()
    .map((name) => path.join(jars, name))
    .join(':');
  const archive = path.join(jars, 'classes.jsa');
  await archiveClasses(classPath, archive);
  // Time skipping is switched on by the SDK itself; the server's own flag for it would skip before a test asks.
  const options = [...JAVA_OPTIONS, `-XX:SharedArchiveFile='${archive}'`].join(' ');
  writeFileSync(`${target}.tmp`, `#!/bin/sh\nexec java ${options} -cp '${classPath}' ${MAIN_CLASS} "$@"\n`);
  chmodSync(`${target}.tmp`, 0o755);
  renameSync(`${target}.tmp`, target);
  rmSync(pom);
}

/** Maven compares with the SHA-1 of its repository only. */
function checkJars(dir: string, names: string[]): void {
  const found = names.toSorted().map((name) => {
    const digest = createHash('sha256').update(readFileSync(path.join(dir, name)));
    return `${digest.digest('hex')}  ${name}\n`;
  });
  if (found.join('') === readFileSync(JAR_DIGESTS, 'utf8')) return;
  throw new Error(
    `The Java libraries of the test server in ${dir} are not those of ${JAR_DIGESTS}; remove the directory`,
  );
}

/**
 * Lets one run of the server write down the classes it has loaded: later ones start in a third of the time, which
 * matters because the SDK gives up after 5 s, and a busy machine needs that for a plain start.
 */
async function archiveClasses(classPath: string, archive: string): Promise<void> {
  const [port = 0] = await freePorts(1);
  const args = [...JAVA_OPTIONS, `-XX:ArchiveClassesAtExit=${archive}`, '-cp', classPath, MAIN_CLASS, String(port)];
  const server = spawn('java', args, { stdio: 'ignore' });
  const ended = once(server, 'exit');
  const deadline = Date.now() + ARCHIVE_TIMEOUT_MS;
  while (Date.now() < deadline && server.exitCode === null && !(await answers(port))) await sleep(200);
  server.kill('SIGTERM');
  await ended;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function installJava(log: Log): Promise<void> {
  if (which('mvn') !== undefined && which('java') !== undefined) return;
  if (process.getuid?.() !== 0 || which('apt-get') === undefined) {
    throw new Error('The tests of a year in seconds need Java and Maven: install a JRE (17 or newer) and maven.');
  }
  await aptInstall(log, ['maven', 'default-jre-headless'], 'the tests', '40 s');
}

function pomFile(): string {
  return `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>ospatch</groupId>
  <artifactId>test-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;
}
