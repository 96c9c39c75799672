/** Small rpms and repositories, built on a lab node, which has rpmbuild and createrepo_c. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode } from '../../../tools/lab/lab-node';
import { sh } from '../../support/sh';

export interface LabRpm {
  name: string;
  version: string;
  /** Lines of the spec's header, e.g. `Requires: x`. */
  header?: string[];
  /** Shell code of its %post script. */
  post?: string;
  /** Further scripts by section, e.g. `pre`. */
  scripts?: Record<string, string>;
  /** Configuration files by absolute path. */
  config?: Record<string, string>;
}

/** Commands used by package scripts. */
const SHELL: LabRpm = { name: 'lab-shell', version: '1', header: ['Provides: /bin/sh'] };

const REPOSITORY = '/srv/repo';

/**
 * Gives the Debian node the os-release of another system, which selects the package manager. Only the package manager and
 * the rpm database are those of the other system.
 */
export function fakeOsRelease(node: LabNode, osRelease: Record<string, string>): void {
  const file = path.join(node.rootDir, 'etc/os-release');
  rmSync(file);
  writeFileSync(
    file,
    Object.entries(osRelease)
      .map(([key, value]) => `${key}="${value}"\n`)
      .join(''),
  );
}

/** Builds packages into a directory of the node. */
export async function build(node: LabNode, dir: string, rpms: readonly LabRpm[]): Promise<void> {
  const specs = path.join(node.rootDir, 'root/specs');
  mkdirSync(specs, { recursive: true });
  for (const rpm of rpms) {
    const config = Object.entries(rpm.config ?? {});
    const spec = [
      `Name: ${rpm.name}`,
      `Version: ${rpm.version}`,
      ...['Release: 1', 'Summary: lab', 'License: none', 'BuildArch: noarch'],
      ...(rpm.header ?? []),
      ...['%description', 'part of the lab', '%install'],
      ...config.map(
        ([file, text]) => `mkdir -p %{buildroot}${path.dirname(file)}; echo '${text}' >%{buildroot}${file}`,
      ),
      ...(rpm.post === undefined ? [] : ['%post', rpm.post]),
      ...Object.entries(rpm.scripts ?? {}).flatMap(([section, text]) => [`%${section}`, text]),
      '%files',
      ...config.map(([file]) => `%config(noreplace) ${file}`),
      '',
    ];
    writeFileSync(path.join(specs, `${rpm.name}-${rpm.version}.spec`), spec.join('\n'));
  }
  const files = rpms.map(({ name, version }) => `/root/specs/${name}-${version}.spec`).join(' ');
  await sh(
    node,
    `mkdir -p ${dir} && for spec in ${files}; do
      rpmbuild --quiet -bb --define '_rpmdir ${dir}' --define '_build_id_links none' --define '_rpmfilename %%{NAME}-%%{VERSION}.rpm' "$spec" >/tmp/rpmbuild.log 2>&1 || { cat /tmp/rpmbuild.log; exit 1; }
    done`,
  );
}

/** Installs packages into the rpm database as the state before an update. */
export async function install(node: LabNode, rpms: readonly LabRpm[]): Promise<void> {
  await build(node, '/srv/installed', [SHELL, ...rpms]);
  await sh(node, 'rpm -U --force --nodeps /srv/installed/*.rpm >/dev/null 2>&1 && rm -r /srv/installed');
}

/** Publishes packages in the node's repository, in addition to the present ones. */
export async function offer(node: LabNode, ...rpms: LabRpm[]): Promise<void> {
  await build(node, REPOSITORY, rpms);
  await sh(node, `createrepo_c -q ${REPOSITORY}`);
}

/** Removes packages from the repository. */
export async function withdraw(node: LabNode, ...names: string[]): Promise<void> {
  const files = names.map((name) => `${REPOSITORY}/${name}-*.rpm`).join(' ');
  await sh(node, `rm -f ${files} && createrepo_c -q ${REPOSITORY}`);
}

/** Publishes advisories: `name-version` by kind. */
export async function publishAdvisories(
  node: LabNode,
  advisories: Record<string, 'security' | 'bugfix'>,
): Promise<void> {
  const updates = Object.entries(advisories).map(([id, type]) => {
    const at = id.lastIndexOf('-');
    const [name, version] = [id.slice(0, at), id.slice(at + 1)];
    return `<update from="lab" status="stable" type="${type}" version="1"><id>LAB-${id}</id><title>${id}</title>
<severity>Important</severity><issued date="2026-01-01 00:00:00"/><updated date="2026-01-01 00:00:00"/><rights/><release>lab</release><description>x</description><references/>
<pkglist><collection short="lab"><name>lab</name><package name="${name}" version="${version}" release="1" epoch="0" arch="noarch" src="x.src.rpm"><filename>${id}.rpm</filename></package></collection></pkglist></update>`;
  });
  writeFileSync(
    path.join(node.rootDir, 'root/updateinfo.xml'),
    `<?xml version="1.0"?>\n<updates>${updates.join('\n')}</updates>\n`,
  );
  // Never in place: zypper's cache of a local repository consists of hard links.
  await sh(
    node,
    `cp -r ${REPOSITORY}/repodata /srv/new && modifyrepo_c /root/updateinfo.xml /srv/new >/dev/null &&
      rm -r ${REPOSITORY}/repodata && mv /srv/new ${REPOSITORY}/repodata`,
  );
}

/** `name version` of the lab's packages in the rpm database. */
export async function installed(node: LabNode): Promise<string[]> {
  return (await sh(node, "rpm -qa --qf '%{NAME} %{VERSION}\\n' | sort")).split('\n');
}

/** Holds rpm's transaction lock until the returned function is called. */
export async function holdRpmLock(node: LabNode): Promise<() => Promise<void>> {
  const program =
    'open(F,">>","/var/lib/rpm/.rpm.lock"); $l=pack("s s x4 q q i x4",1,0,0,0,0); fcntl(F,6,$l) or die; sleep 600';
  await sh(node, `setsid perl -e '${program}' </dev/null >/dev/null 2>&1 & echo $! >/root/lock.pid`);
  return async () => {
    await sh(node, 'kill $(cat /root/lock.pid)');
  };
}
