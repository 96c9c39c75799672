/** Rebooting a node and waiting until it is really back: another boot id, systemd settled, and still there a while later. */
import { OspatchError } from '../domain/errors';
import type { NodeFacts } from '../domain/node-report';
import { pause } from './follow-job';
import type { Session } from './session';

/** Virtual machines are back in seconds, bare metal in many minutes; later probes need not be so frequent. */
const FIRST_PROBE_MS = 1_000;
const MAX_PROBE_MS = 10_000;
const PROBE_GROWTH = 1.25;

/** Shutting down may take its time, but a node that answers this long with the old boot id is not going to reboot. */
const REFUSED_AFTER_MS = 5 * 60_000;

const SETTLE_LIMIT_MS = 10 * 60_000;
const SETTLE_PAUSE_MS = 1_000;

/** Long enough to notice a machine that reboots again at once. */
const STABLE_MS = 3_000;
const MAX_BOOTS_SEEN = 3;

const BUSY_PAUSE_MS = 5_000;

/**
 * Reboots the node if `bootId` is still its boot id, by the program `command` on the node if one is named, and returns the
 * facts of the settled node, whatever state it is in. May be repeated at any point: after the reboot it only waits and
 * looks.
 *
 * @throws OspatchError `RebootFailed`, `Unhealthy`, or what reaching the node may say
 */
export async function rebootNode(session: Session, bootId: string, command?: string): Promise<NodeFacts> {
  await askForReboot(session, bootId, command);
  let facts = await awaitNewBoot(session, bootId);
  const boots = new Set([facts.bootId]);
  for (;;) {
    const settled = await awaitSettled(session, facts);
    await pause(session, STABLE_MS);
    facts = await session.outage.reach(() => probe(session));
    // A system that is on its way down once more still answers for a moment.
    if (facts.bootId === settled.bootId && facts.systemState !== 'stopping') {
      session.show({ waitingFor: undefined });
      return facts;
    }
    boots.add(settled.bootId).add(facts.bootId);
    if (boots.size > MAX_BOOTS_SEEN) throw unhealthy(session.node.name, 'keeps rebooting by itself');
  }
}

async function askForReboot(session: Session, bootId: string, command: string | undefined): Promise<void> {
  for (;;) {
    const answer = await session.outage.reach(() => session.node.reboot(bootId, command));
    if (answer !== 'busy') return;
    session.show({ waitingFor: 'a package job on the node to end before the reboot' });
    await pause(session, BUSY_PAUSE_MS);
  }
}

/** Only a changed boot id proves a reboot; the old system still answers for a while. */
async function awaitNewBoot(session: Session, bootId: string): Promise<NodeFacts> {
  session.show({ waitingFor: 'the node to come back' });
  let pauseMs = FIRST_PROBE_MS;
  let answeredFirst: number | null = null;
  for (;;) {
    await pause(session, pauseMs);
    const result = await session.outage.tryOnce(() => probe(session));
    if (result.reached) {
      if (result.value.bootId !== bootId) return result.value;
      answeredFirst ??= session.now();
      if (session.now() - answeredFirst > REFUSED_AFTER_MS) {
        throw new OspatchError({
          type: 'RebootFailed',
          message: `${session.node.name} still runs the old system ${REFUSED_AFTER_MS / 60_000} min after the reboot was asked for.`,
          remedy: `look at \`systemctl list-jobs\` and \`journalctl -u ospatch-reboot\` on ${session.node.name}`,
        });
      }
    } else {
      answeredFirst = null;
      session.outage.add(pauseMs);
    }
    pauseMs = Math.min(MAX_PROBE_MS, pauseMs * PROBE_GROWTH);
  }
}

async function awaitSettled(session: Session, first: NodeFacts): Promise<NodeFacts> {
  const started = session.now();
  let facts = first;
  while (facts.systemState !== 'running' && facts.systemState !== 'degraded') {
    if (session.now() - started > SETTLE_LIMIT_MS) {
      throw unhealthy(
        session.node.name,
        `is still ${facts.systemState} ${SETTLE_LIMIT_MS / 60_000} min after the reboot`,
      );
    }
    session.show({ waitingFor: `systemd on the node, which is ${facts.systemState}` });
    await pause(session, SETTLE_PAUSE_MS);
    facts = await session.outage.reach(() => probe(session));
  }
  return facts;
}

async function probe(session: Session): Promise<NodeFacts> {
  session.node.disconnect();
  const { facts } = await session.node.facts({ probe: true });
  return facts;
}

function unhealthy(node: string, what: string): OspatchError {
  return new OspatchError({
    type: 'Unhealthy',
    message: `${node} ${what}.`,
    remedy: `look at \`systemctl --failed\` and the journal on ${node}`,
    details: { rebooted: true },
  });
}
