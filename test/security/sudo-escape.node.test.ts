/**
 * What a user who has nothing but the rule for the helper can make root do: the verbs of the helper. Everything here is
 * tried with sudo, with sudo-rs, which checks neither digest nor arguments, and with doas, which does not either.
 */
import { writeFileSync } from 'node:fs';
import type { LabNode } from '../../tools/lab/lab-node';
import { LAB_USER } from '../../tools/lab/lab';
import type { Lab } from '../../tools/lab/lab';
import { helperScript } from '../../src/node/helper/script';
import { installHelper } from '../../src/node/install';
import { installerScript } from '../../src/node/installer';
import type { SudoersForm } from '../../src/node/sudoers';
import { sudoersRule } from '../../src/node/sudoers';
import type { TransportPool } from '../../src/ssh/transport';
import { runOffline } from '../cli/offline-context';
import { sh } from '../support/sh';
import { ask, remoteNode, targetOf, transportTo, useLab } from '../node/support';

jest.setTimeout(120_000);

const helper = helperScript();
const JOB = '0123456789abcdef-plan-1';

/** Run as root, this leaves a trace. */
const TRACE = '/root/owned';
const EVIL = `#!/bin/sh\nid >${TRACE} 2>/dev/null\nid\n`;

/** Arguments that the rule of sudo does not allow; sudo-rs and doas leave them to the helper. */
const ARGUMENTS: readonly string[] = [
  '',
  'id',
  '--help',
  '-c id',
  'facts x',
  "facts ''",
  'facts --now',
  'pending x',
  'probe x',
  'probe start x',
  "'facts\nid'",
  "facts '\nid'",
  '_started',
  '_pending',
  '_verify',
  `_run ${JOB}`,
  `_run ${JOB} ospatch-job.service`,
  '_reboot $(cat /proc/sys/kernel/random/boot_id)',
  'start',
  `start ${JOB}`,
  `start ${JOB} apply`,
  `start ${JOB} plan x`,
  `start ${JOB} '$(/tmp/evil)'`,
  'start ../../../tmp/evil-plan-1 plan',
  'start 0123456789abcdef-plan-../../tmp/evil plan',
  'start 0123456789abcdef-plan-1/../../../../tmp/evil plan',
  "start '0123456789abcdef-plan-1\nplan' plan",
  "start '0123456789abcdef-plan-1;/tmp/evil' plan",
  'start 0123456789ABCDEF-plan-1 plan',
  'start 0123456789abcde-plan-1 plan',
  'start 0123456789abcdef-plan-1234567 plan',
  'start 0123456789abcdef-hook-1 hook',
  'start 0123456789abcdef--1 plan',
  "start '0123456789abcdef-*-1' '*'",
  `start $(head -c 100000 /dev/zero | tr '\\0' a) plan`,
  `poll ${JOB}`,
  `poll ${JOB} -1 1 1`,
  `poll ${JOB} 1 1 1 1`,
  `poll ${JOB} 'a[$(/tmp/evil)]' 1 1`,
  `poll ${JOB} 1+1 1 1`,
  `poll ${JOB} 99999999999999999999 1 1`,
  `poll ${JOB} 0x10 1 1`,
  'poll ../../../etc-plan-1 0 1 1',
  'log',
  "log '' 1",
  'log ../../../etc 10',
  'log last -1',
  "log last '1 /etc/shadow'",
  "log '*' 10",
  'reboot',
  "reboot ''",
  "reboot '$(/tmp/evil)'",
  "reboot 'x\nid'",
  'reboot $(cat /proc/sys/kernel/random/boot_id) ../../tmp/evil',
  'reboot $(cat /proc/sys/kernel/random/boot_id) /tmp/evil',
  "reboot $(cat /proc/sys/kernel/random/boot_id) '../../../tmp/evil\n'",
  'reboot $(cat /proc/sys/kernel/random/boot_id) .evil',
  'reboot $(cat /proc/sys/kernel/random/boot_id) evil',
  'reboot $(cat /proc/sys/kernel/random/boot_id) evil evil',
];

/** Lines of standard input that are no parameters. */
const PARAMETERS: readonly string[] = [
  'expect=$(/tmp/evil)\\nend',
  'exclude=`/tmp/evil`\\nend',
  'exclude=-oDPkg::Pre-Invoke::=/tmp/evil\\nend',
  'exclude=a;/tmp/evil\\nend',
  'exclude=a /tmp/evil\\nend',
  'wait=$(/tmp/evil)\\nend',
  'wait=a[$(/tmp/evil)]\\nend',
  'wait=99999999999\\nend',
  'wait=010\\nend',
  'max=-1\\nend',
  'lock_wait=9999999\\nend',
  'service=/tmp/evil\\nend',
  'PATH=/tmp\\nend',
  'end\\rend',
  'refresh=yes',
  '\\0\\0\\0',
  '',
];

/** Ways to have the tool run something else, or this with other rights. */
const SUDO_OPTIONS: readonly string[] = [
  'sudo -n /tmp/evil',
  'sudo -n sh -c /tmp/evil',
  'sudo -n sh $H facts',
  'sudo -n -s /tmp/evil',
  'sudo -n -i /tmp/evil',
  'sudo -n -e $H </dev/null',
  'EDITOR=/tmp/evil VISUAL=/tmp/evil SUDO_EDITOR=/tmp/evil sudo -n -e $H </dev/null',
  'sudo -n -u nobody $H facts',
  'sudo -n -u "#-1" $H facts',
  'sudo -n -u "#4294967295" $H facts',
  'sudo -n -R /tmp $H facts',
  'sudo -n -D /tmp $H facts',
  'sudo -n -C 9999 $H facts',
  'sudo -n -E BASH_ENV=/tmp/evil $H facts x',
  'sudo -n LD_PRELOAD=/tmp/evil.so $H facts x',
  'SUDO_ASKPASS=/tmp/evil sudo -A -u nobody $H facts </dev/null',
  'cd /usr/local/libexec && PATH=/tmp/bin:$PATH sudo -n ${H##*/} facts',
  'mkdir -p ~/a && cp $H ~/a/ && sudo -n ~/a/${H##*/} facts',
  'mkdir -p ~/b && cp /tmp/evil ~/b/${H##*/} && sudo -n ~/b/${H##*/} facts',
  'mkdir -p ~/c && ln -sf /tmp/evil ~/c/${H##*/} && sudo -n ~/c/${H##*/} facts',
  'mkdir -p ~/d && ln -sf / ~/d/root && sudo -n ~/d/root$H x',
  'cd / && sudo -n usr/local/libexec/${H##*/} x',
  'sudo -n ${H%/*}/../../../tmp/evil',
];

const DOAS_OPTIONS: readonly string[] = [
  'doas -n /tmp/evil',
  'doas -n sh -c /tmp/evil',
  'doas -n -s',
  'doas -n -u nobody $H facts',
  'doas -n sh $H facts',
  'mkdir -p ~/b && cp /tmp/evil ~/b/${H##*/} && doas -n ~/b/${H##*/} facts',
  'mkdir -p ~/c && ln -sf /tmp/evil ~/c/${H##*/} && doas -n ~/c/${H##*/} facts',
  'cd ~/b && PATH=~/b:$PATH doas -n ${H##*/} facts',
  'cp /tmp/evil ~/doas.conf && doas -C ~/doas.conf -n /tmp/evil',
];

/** Surroundings in which an allowed call must give its usual answer, or none. */
const SURROUNDINGS: readonly string[] = [
  'PATH=/tmp/bin $BECOME $H facts',
  'export BASH_ENV=/tmp/evil ENV=/tmp/evil; $BECOME $H probe',
  "export SHELLOPTS=xtrace BASHOPTS=extdebug PS4='$(/tmp/evil)' PS1='$(/tmp/evil)'; $BECOME $H facts",
  'env IFS=/os CDPATH=/tmp GLOBIGNORE=* $BECOME $H probe',
  "env 'BASH_FUNC_stat%%=() { /tmp/evil; }' 'BASH_FUNC_read%%=() { /tmp/evil; }' 'stat=() { /tmp/evil; }' $BECOME $H facts",
  'env APT_CONFIG=/tmp/apt.conf HOME=/tmp XDG_CONFIG_HOME=/tmp DPKG_ROOT=/tmp $BECOME $H pending',
  'env TMPDIR=/nonexistent TMP=/proc LC_ALL=xx LANG=xx LC_CTYPE=xx LOCPATH=/tmp NLSPATH=/tmp/%N TZ=:/etc/shadow $BECOME $H probe',
  'env LD_PRELOAD=/tmp/evil.so LD_LIBRARY_PATH=/tmp/bin LD_AUDIT=/tmp/evil.so GCONV_PATH=/tmp $BECOME $H probe',
  'env PYTHONPATH=/tmp PERL5LIB=/tmp PERL5OPT=-Mevil SYSTEMD_PAGER=/tmp/evil PAGER=/tmp/evil LESSOPEN="|/tmp/evil" $BECOME $H pending',
  `env OSPATCH_JOB=${JOB} NEEDRESTART_CONFIG=/tmp/evil $BECOME $H facts`,
  'cd /tmp/bin && $BECOME $H probe',
  'mkdir -p ~/gone && cd ~/gone && rmdir ~/gone && $BECOME $H probe',
  'umask 0; $BECOME $H probe start',
  'umask 777; $BECOME $H probe start',
  '$BECOME $H probe 0<&- </dev/null',
  'exec 2>&-; $BECOME $H probe 0<&-',
  '$BECOME $H probe >&- 2>&- <&-',
  'exec 3>/tmp/kept 4>/tmp/kept 5</tmp/evil 6>/tmp/kept 7>/tmp/kept 8</tmp/evil 9</tmp/evil; $BECOME $H probe',
  'ulimit -f 0; $BECOME $H probe | cat',
  'ulimit -n 16; $BECOME $H probe',
  'ulimit -c unlimited; ulimit -s 256; $BECOME $H probe',
  'ulimit -t 1; $BECOME $H probe',
];

interface Setting {
  name: string;
  tool: 'sudo' | 'sudo-rs' | 'doas';
  form: SudoersForm;
}

const SETTINGS: readonly Setting[] = [
  { name: 'ws', tool: 'sudo', form: 'regex' },
  { name: 'rs', tool: 'sudo-rs', form: 'sudo-rs' },
  { name: 'al', tool: 'doas', form: 'doas' },
];

describe('a user with nothing but the rule for the helper', () => {
  let lab: Lab;
  let pool: TransportPool;

  useLab(
    [
      { name: 'ws', updates: 'none' },
      { name: 'rs', updates: 'none', suite: 'trixie', userland: { sudo: 'sudo-rs' } },
      { name: 'al', updates: 'none', system: 'alpine' },
    ],
    async (started) => {
      ({ lab, pool } = started);
      await Promise.all(SETTINGS.map(prepare));
    },
  );

  async function prepare({ name, form }: Setting): Promise<void> {
    const node = lab.node(name);
    const { text, file, mode } = sudoersRule(helper, LAB_USER, form);
    await asRoot(node, 'sh', installerScript(helper));
    // Debian's doas, which the lab has, reads one file.
    const place = form === 'doas' ? '/etc/doas.conf' : file;
    await asRoot(node, `cat >${place} && chmod ${mode} ${place}`, text);
    await sh(node, form === 'doas' ? 'mv /usr/bin/sudo /root/sudo' : 'rm /etc/sudoers.d/ospatch && visudo -c');
    await asRoot(
      node,
      `cat >/tmp/evil && chmod 755 /tmp/evil && mkdir -p /tmp/bin && chmod 755 /tmp/bin &&
       for tool in stat sha256sum cat systemctl apt-get apk uname id mkdir mktemp; do cp /tmp/evil /tmp/bin/$tool; done
       echo 'APT::Update::Pre-Invoke:: "/tmp/evil"; DPkg::Pre-Invoke:: "/tmp/evil"; Dir::Bin::dpkg "/tmp/evil"; Dir::Bin::methods "/tmp/bin";' >/tmp/apt.conf`,
      EVIL,
    );
  }

  /** With standard input, which `LabNode.exec` does not support. */
  async function asRoot(node: LabNode, command: string, stdin: string): Promise<void> {
    const { code, stderr } = await transportTo(pool, targetOf(node)).exec(command, { stdin });
    if (code !== 0) throw new Error(`${command} failed: ${stderr.toString()}`);
  }

  /** On all three nodes at once; what fails names its tool. */
  function onEach(work: (setting: Setting, node: LabNode) => Promise<void>): () => Promise<void> {
    return async () => {
      await Promise.all(SETTINGS.map((setting) => work(setting, lab.node(setting.name))));
      for (const { name, tool } of SETTINGS) {
        // Every attack ends without a trace, whatever it prints.
        const trace = await ask(lab.node(name), `cat ${TRACE} 2>/dev/null; rm -f ${TRACE}`);
        expect(`${tool}: ${trace}`).toBe(`${tool}: `);
      }
    };
  }

  interface Attack {
    script: string;
    stdin?: string;
  }

  interface Answer {
    out: string;
    failed: boolean;
  }

  /** What each script prints on standard output, all of them in one session. */
  async function attempt({ name, tool }: Setting, attacks: readonly Attack[]): Promise<Answer[]> {
    const become = tool === 'doas' ? 'doas -n' : 'sudo -n';
    const script = attacks.map(
      ({ script: attack, stdin = '' }, index) =>
        `printf '${stdin}' >~/in; sh -c ${quoted(attack)} <~/in >~/out 2>~/err; printf '\\n@@ ${index} %s\\n' $?; cat ~/out; echo; echo '@@'; cat ~/err`,
    );
    const target = targetOf(lab.node(name), { user: LAB_USER });
    const { stdout } = await transportTo(pool, target).exec('sh -s', {
      stdin: `export H=${helper.path} BECOME='${become}'\n${script.join('\n')}\n`,
    });
    const parts = stdout
      .toString()
      .split(/\n@@ \d+ (\d+)\n/)
      .slice(1);
    expect(parts.length).toBe(2 * attacks.length);
    return attacks.map(({ script: attack }, index) => {
      const [code, part = ''] = parts.slice(2 * index);
      const [out = '', err = ''] = part.split('\n@@\n');
      // The payload prints this as root; root's line of the shadow file shows in the same way.
      if (/uid=0\(|root:[$*!]|ld\.so/.test(part)) throw new Error(`${tool}: ${attack}: ${out}${err}`);
      return { out, failed: code !== '0' };
    });
  }

  /** Refused by the tool, which prints nothing on standard output, or by the helper with one of these reasons. */
  async function refused(setting: Setting, attacks: readonly Attack[], why: string): Promise<void> {
    const refusal = new RegExp(`^(?:ospatch 1 state=error why=(?:${why})\\n)?$`);
    const answers = await attempt(setting, attacks);
    const allowed = answers.flatMap(({ out, failed }, index) =>
      (failed || out !== '') && refusal.test(out) ? [] : [`${attacks[index]?.script}: ${out}`],
    );
    expect({ [setting.tool]: allowed }).toEqual({ [setting.tool]: [] });
    expect(await ask(lab.node(setting.name), 'ls /var/lib/ospatch/runs 2>/dev/null | wc -l')).toBe('0');
  }

  it(
    'may run the helper; and the payload would be noticed',
    onEach(async (setting, node) => {
      const [facts = null] = await attempt(setting, [{ script: '$BECOME $H facts' }]);
      expect(facts?.out).toMatch(/^ospatch 1 facts\n[\s\S]*\nend\n$/);
      await sh(node, '/tmp/evil');
      expect(await ask(node, `grep -c uid=0 ${TRACE}; rm ${TRACE}`)).toBe('1');
    }),
  );

  it(
    'may use no other arguments',
    onEach((setting) =>
      refused(
        setting,
        ARGUMENTS.map((list) => ({ script: `$BECOME $H ${list}` })),
        'bad-[a-z-]+',
      ),
    ),
  );

  it(
    'may give no other parameters',
    onEach((setting) =>
      refused(
        setting,
        PARAMETERS.flatMap((stdin) => [
          { script: `$BECOME $H start ${JOB} plan`, stdin },
          { script: '$BECOME $H pending', stdin },
        ]),
        'bad-parameter|short-upload',
      ),
    ),
  );

  it(
    'may run nothing else, and as nobody else',
    onEach((setting) => {
      const options = setting.tool === 'doas' ? DOAS_OPTIONS : SUDO_OPTIONS;
      return refused(
        setting,
        options.map((script) => ({ script })),
        'bad-[a-z-]+',
      );
    }),
  );

  it(
    'does not change what an allowed call does',
    onEach(async (setting, node) => {
      const answers = await attempt(
        setting,
        SURROUNDINGS.map((script) => ({ script, stdin: 'end\\n' })),
      );
      const odd = answers.flatMap(({ out }, index) =>
        out === '' || /^ospatch 1 (?:facts\n[\s\S]*\nend\n|state=done rc=0 )/.test(out)
          ? []
          : [`${SURROUNDINGS[index]}: ${out}`],
      );
      expect({ [setting.tool]: odd }).toEqual({ [setting.tool]: [] });
      expect(answers.filter(({ out }) => out !== '').length).toBeGreaterThan(SURROUNDINGS.length / 2);
      expect(await ask(node, 'cat /tmp/kept 2>/dev/null')).toBe('');
      const modes = await ask(node, 'stat -c "%u %a" /var/lib/ospatch /var/lib/ospatch/bin /run/ospatch | sort -u');
      expect(modes).toBe('0 700');
    }),
  );

  it(
    'is given the rule that fits the tool of its node, which accepts it',
    onEach(async ({ name, tool, form }, node) => {
      const knownHosts = `${lab.dir}/known_hosts.${name}`;
      writeFileSync(knownHosts, lab.knownHosts);
      const where = ['--host', node.host, '--port', String(node.port), '--known-hosts', knownHosts];
      const login = ['--login', 'root', '--identity', `${lab.keyDir}/${lab.keyName}`];
      const { code, stdout, stderr } = await runOffline(['sudoers', ...where, ...login, '--user', LAB_USER]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: sudoersRule(helper, LAB_USER, form).text });
      expect(stderr).toMatch(new RegExp(`: ${tool}( [0-9.p]+)?; the rule is accepted there\n$`));
    }),
  );

  it(
    'runs each job once, whatever is stopped, killed or held meanwhile',
    onEach(async (setting, node) => {
      const start = (job: string, wait: number) =>
        `printf 'wait=${wait}\\nend\\n' | $BECOME $H start 0123456789abcdef-plan-${job} plan`;
      const answers = await attempt(setting, [
        {
          script:
            'flock -n /var/lib/ospatch/lock true || cat /var/lib/ospatch/lock; ls -d /var/lib/ospatch/* /run/ospatch/*',
        },
        { script: `for i in 1 2 3 4 5 6; do (${start('1', 30)} >~/p$i) & done; wait; cat ~/p? | grep -c state=done` },
        {
          script: `for i in 2 3 4 5; do (${start('$i', 0)}) & sleep 0.0$i; kill -STOP $!; kill -KILL $!; done >/dev/null; wait`,
        },
        { script: `exec 8>~/lock 9>~/lock; flock 9; trap "" TERM HUP PIPE CHLD; ${start('6', 30)} | head -n 1` },
        { script: `umask 777; ulimit -f 0; ${start('7', 30)} >/dev/null` },
        { script: `until ${start('8', 30)} | grep state=done; do sleep 0.2; done` },
      ]);
      expect(answers[0]?.out).toBe('');
      expect(answers[1]?.out).toBe('6\n');
      expect(answers[5]?.out).toMatch(/^ospatch 1 state=done rc=0 /);
      const log = await ask(
        node,
        'cd /var/lib/ospatch/runs; ls -d *-plan-1/started | wc -l; find . -maxdepth 1 -perm /077 | wc -l',
      );
      expect(log).toBe('1\n0');
    }),
  );

  describe('who can write to the directory of the helper', () => {
    const directory = helper.path.replace(/\/[^/]*$/, '');

    beforeAll(() => each((node) => sh(node, `chgrp ${LAB_USER} ${directory} && chmod g+w ${directory}`)));
    afterAll(() => each((node) => sh(node, `chown root:root ${directory} && chmod g-w ${directory}`)));

    it(
      'is found by the worker and the helper, which both run nothing',
      onEach(async (setting, node) => {
        const message = `users other than root can change ${directory} (root:${LAB_USER} drwxrwxr-x)`;
        const target = targetOf(node, { user: LAB_USER, helper: 'preinstalled' });
        await expect(remoteNode(pool, target).facts()).rejects.toMatchObject({
          type: 'HelperMissing',
          message: `the helper on ${node.name} is not run: ${message}`,
        });
        await expect(installHelper(targetOf(node), transportTo(pool, targetOf(node)), helper)).rejects.toMatchObject({
          type: 'HelperMissing',
          message: expect.stringContaining(message),
        });
        const exposed = `ospatch 1 state=error why=exposed at=${directory}\n`;
        const calls = ['facts', 'probe start', `start ${JOB} plan`, 'pending', 'log last 10'];
        const answers = await attempt(
          setting,
          calls.map((call) => ({ script: `$BECOME $H ${call}`, stdin: 'end\\n' })),
        );
        expect(answers).toEqual(calls.map(() => ({ out: expect.stringContaining(exposed), failed: true })));
      }),
    );

    it('gets nothing past the digest of sudo by swapping the file', async () => {
      const [setting] = SETTINGS;
      if (setting === undefined) throw new Error('no setting');
      const node = lab.node(setting.name);
      await sh(node, `cp -p ${helper.path} /root/kept`);
      const [answer = { out: 'nothing' }] = await attempt(setting, [
        {
          script: `cd ${directory}; cp $H ~/good; cp /tmp/evil ~/bad; chmod 755 ~/good ~/bad
            (while :; do cp -p ~/bad .x; mv -f .x $H; cp -p ~/good .x; mv -f .x $H; done) & swapping=$!
            for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do $BECOME $H facts; $BECOME $H probe start; done
            kill $swapping`,
        },
      ]);
      await sh(node, `rm -f ${directory}/.x; mv /root/kept ${helper.path}`);
      // What does run is the right file, and finds that it is not root's.
      expect(answer.out.replaceAll(/^ospatch 1 state=error why=exposed at=\S+\n\S+ \S+$/gm, '').trim()).toBe('');
      expect(await ask(node, `cat ${TRACE} 2>/dev/null`)).toBe('');
    });

    async function each(work: (node: LabNode) => Promise<unknown>): Promise<void> {
      await Promise.all(SETTINGS.map(({ name }) => work(lab.node(name))));
    }
  });
});

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
